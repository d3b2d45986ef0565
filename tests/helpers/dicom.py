"""Whole slides in DICOM, of a file for each level and one for the label, as scanners write them."""

from pathlib import Path

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

WHOLE_SLIDE = UID("1.2.840.10008.5.1.4.1.1.77.1.6")
TILE = 128
UM_PER_MM = 1000


def write_slide(folder: Path, name: str, side: int = 256) -> None:
    """Write `NAME-0.dcm` of `side` pixels of 1 um, `NAME-1.dcm` of half of them, and the label."""
    folder.mkdir(parents=True, exist_ok=True)
    shared = {each: generate_uid() for each in ("Study", "Series")}
    frame = generate_uid()
    for number, (flavour, pixels) in enumerate(
        [("VOLUME", side), ("VOLUME", side // 2), ("LABEL", TILE)]
    ):
        meta = FileMetaDataset()
        meta.MediaStorageSOPClassUID = WHOLE_SLIDE
        meta.MediaStorageSOPInstanceUID = generate_uid()
        meta.TransferSyntaxUID = ExplicitVRLittleEndian
        data = Dataset()
        data.file_meta = meta
        data.SOPClassUID = WHOLE_SLIDE
        data.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        data.StudyInstanceUID, data.SeriesInstanceUID = shared["Study"], shared["Series"]
        data.FrameOfReferenceUID = frame
        data.Modality = "SM"
        kind = "RESAMPLED" if flavour == "VOLUME" else "NONE"
        data.ImageType = ["DERIVED", "PRIMARY", flavour, kind]
        data.SamplesPerPixel, data.PhotometricInterpretation, data.PlanarConfiguration = 3, "RGB", 0
        data.Rows = data.Columns = TILE
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit, data.PixelRepresentation = 7, 0
        data.TotalPixelMatrixColumns = data.TotalPixelMatrixRows = pixels
        data.NumberOfFrames = (pixels // TILE) ** 2
        data.DimensionOrganizationType = "TILED_FULL"
        data.TotalPixelMatrixFocalPlanes = data.NumberOfOpticalPaths = 1
        measures = Dataset()
        measures.PixelSpacing = [side / pixels / UM_PER_MM] * 2
        measures.SliceThickness = 1 / UM_PER_MM
        groups = Dataset()
        groups.PixelMeasuresSequence = Sequence([measures])
        data.SharedFunctionalGroupsSequence = Sequence([groups])
        frames = (data.NumberOfFrames, TILE, TILE, 3)
        data.PixelData = np.random.default_rng(number).integers(60, 200, frames, np.uint8).tobytes()
        data.save_as(folder / f"{name}-{number}.dcm", enforce_file_format=True)
