"""Defines the metrics of the sets of classes that a patch gets: coverage, and what is left open."""

from typing import Generic, TypeVar

from pydantic import Field

from metastasis.base.records import Record

Value = TypeVar("Value")


class Abstained(Record, Generic[Value], frozen=True):
    """A value for each metric of the sets, in the order of reports."""

    tumour_coverage: Value = Field(
        title="coverage of tumour",
        description="share of a slide's patches with tumour whose set holds it, mean over slides",
    )
    no_tumour_coverage: Value = Field(
        title="coverage of no tumour", description="the same for its patches without tumour"
    )
    left_share: Value = Field(
        title="left to a pathologist", description="share of the patches whose set holds both"
    )
    decided_accuracy: Value = Field(
        title="accuracy of the others", description="share of correct calls among the others"
    )


# Name and meaning of each metric.
ABSTAINED = {
    key: (str(field.title), str(field.description)) for key, field in Abstained.model_fields.items()
}
