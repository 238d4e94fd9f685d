"""Which columns a data set has, and which of them a model sees. Imports no torch."""

from dataclasses import dataclass

from apg_repro.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Schema:
    """Which columns there are, and which of them a model sees.

    Attributes:
        fields: every categorical column and its cardinality, in column order.
        inputs: the categorical columns that are features; the others can serve as conditions or domains.
        numbers: names of the number columns, all of them features.
        bags: a multi-hot field → its 0/1 indicator columns, some of ``numbers``. Models embed a bag as the sum of
            its members' embeddings; number columns outside bags enter as they are.
    """

    fields: dict[str, int]
    inputs: tuple[str, ...]
    numbers: tuple[str, ...] = ()
    bags: dict[str, tuple[str, ...]] | None = None

    def column(self, field: str) -> int:
        """The column of a categorical field.

        Raises:
            UserError: there is no such field.
        """
        if field not in self.fields:
            raise UserError(f"no field {field!r} in this data set; it has {', '.join(self.fields)}")
        return list(self.fields).index(field)
