"""The one-file web head: a posable head that opens from disk in a browser, without server and network."""
