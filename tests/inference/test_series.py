"""Tests of DICOM slides, which consist of several files."""

from pathlib import Path

from helpers import dicom
from metastasis.inference import finding, opening, slides


def test_a_dicom_slide_of_several_files_is_scored_once(tmp_path: Path) -> None:
    """Also if another slide, a damaged file and other images lie in the same folder."""
    dicom.write_slide(tmp_path, "a")
    dicom.write_slide(tmp_path, "b")
    (tmp_path / "c.dcm").write_bytes(b"text")
    (tmp_path / "d.png").touch()
    dicom.write_slide(tmp_path / "copies", "a")
    found, _ = finding.find([tmp_path], tmp_path / "predictions")
    assert len(found) == 11
    kept = [str(each.path.relative_to(tmp_path)) for each in slides.each_once(found)]
    assert kept == ["a-0.dcm", "b-0.dcm", "c.dcm", "copies/a-0.dcm", "d.png"]


def test_any_of_its_files_is_the_whole_slide(tmp_path: Path) -> None:
    dicom.write_slide(tmp_path, "a")
    for number in range(3):
        region = opening.region(tmp_path / f"a-{number}.dcm")
        assert region.raster.sizes == ((256, 256), (128, 128))
        assert region.tagged is not None
        assert region.tagged.x == 1
        region.raster.close()
