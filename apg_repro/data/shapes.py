"""The shapes of Amazon and IAAC, for the scripts that read them and for those that write their shape twins."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Shape:
    """How many rows a data set has, and which columns.

    Attributes:
        rows, users, items: as Table 7 counts them.
        fields: our name of every field → the file's column that it is made from.
        numbers: names of the numbers, the same as the file's.
        idle: fields that can serve as conditions, but are no features.
    """

    rows: int
    users: int
    items: int
    fields: dict[str, str]
    numbers: tuple[str, ...] = ()
    idle: tuple[str, ...] = ()

    @property
    def features(self) -> dict[str, dict[str, Any]]:
        """The feature sets, as a manifest has them."""
        inputs = [field for field in self.fields if field not in self.idle]
        return {"default": {"inputs": inputs, "numbers": list(self.numbers), "bags": {}}}


# 8 × 32 = 256 inputs explain the memory that the paper prints for Amazon in Table 6.
AMAZON = Shape(
    rows=1_292_954, users=1_157_633, items=9_560,
    fields={
        "user": "user_id", "item": "item_id", "timestamp": "timestamp", "model_attr": "model_attr",
        "category": "category", "brand": "brand", "year": "year", "user_attr": "user_attr",
    },
)  # fmt: skip

# 12 × 32 + 9 = 393 inputs, which Table 5 prints.
IAAC = Shape(
    rows=478_138, users=197_694, items=10_075,
    fields={
        "user": "user_id", "item": "item_id", "category": "item_category_list", "brand": "item_brand_id",
        "city": "item_city_id", "gender": "user_gender_id", "age": "user_age_level",
        "occupation": "user_occupation_id", "user_star": "user_star_level", "page": "context_page_id",
        "shop": "shop_id", "shop_star": "shop_star_level", "hour": "context_timestamp",
    },
    numbers=(
        "item_price_level", "item_sales_level", "item_collected_level", "item_pv_level", "shop_review_num_level",
        "shop_review_positive_rate", "shop_score_service", "shop_score_delivery", "shop_score_description",
    ),
    idle=("hour",),
)  # fmt: skip
