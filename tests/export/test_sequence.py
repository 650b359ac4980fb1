import numpy as np

from splatrig.export.fidelity import read_exported
from splatrig.export.sequence import write_sequence
from support import small_rig


def test_each_frame_is_a_splat_file_with_its_number(tmp_path):
    rig = small_rig.rig("pca")
    weights = np.linspace(0, 1, 11)[:, None] * np.ones(3)
    write_sequence(tmp_path / "tour", map(rig.pose, weights))
    files = sorted((tmp_path / "tour").iterdir())
    assert [file.name for file in files] == [f"frame{number:04d}.ply" for number in range(1, 12)]
    for file, row in zip(files, weights, strict=True):
        found, expected = read_exported(file), rig.pose(row)
        np.testing.assert_allclose(found.means, expected.means, atol=1e-4)
        np.testing.assert_allclose(found.sh0, expected.sh0, atol=1e-6)


def test_a_shorter_track_leaves_no_frame_of_a_longer_one(tmp_path):
    rig = small_rig.rig()
    for frames in (3, 2):
        write_sequence(tmp_path / "tour", (rig.pose(np.zeros(3)) for _ in range(frames)))
    assert len(list((tmp_path / "tour").iterdir())) == 2
