import errno
import os

import pytest

from splatrig.io.errors import REMEDIES, refusal


@pytest.mark.parametrize("number", [*REMEDIES, errno.EISDIR])
def test_what_the_machine_refuses_is_named_with_what_to_do(number):
    sentence = refusal("results/a.h5", number)
    assert sentence.startswith(f"results/a.h5: {os.strerror(number)}; ")
    assert sentence.endswith(", then run the same command again.")
