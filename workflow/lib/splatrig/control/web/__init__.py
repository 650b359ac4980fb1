"""The one-file web head: a posable head that opens from disk in a browser, no server and no network."""
