"""Values made from JSON schemas: right ones, and right ones that are then damaged."""

import copy
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy

Schema = dict[str, Any]
JUNK = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(10**30), 10**30),
        st.floats(allow_nan=False, allow_infinity=False),
        st.text(max_size=8),
        st.sampled_from(["", "0", "-1", "\x00", "ﷺ", "9" * 30, "\U0001d7d9", "²", "x" * 7000]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)


class Values:
    """Makes strategies from the schemas of one *document*; *ids* are what snowflakes may be."""

    def __init__(self, document: Schema, ids: SearchStrategy[str]) -> None:
        self._document, self._ids = document, ids

    def _resolve(self, schema: Schema) -> Schema:
        while "$ref" in schema:
            found: Any = self._document
            for step in schema["$ref"].removeprefix("#/").split("/"):
                found = found[step]
            schema = found
        return schema

    def of(self, schema: Schema, depth: int = 5) -> SearchStrategy[Any]:
        """Return a strategy for what *schema* describes, down to *depth*."""
        schema = self._resolve(schema)
        if "const" in schema:
            return st.just(schema["const"])
        if "enum" in schema:
            return st.sampled_from(schema["enum"])
        for key in ("oneOf", "anyOf"):
            if schema.get(key):
                return st.one_of([self._later(one, depth) for one in schema[key]])
        if schema.get("allOf"):
            return self.of(schema["allOf"][0], depth)
        kinds = schema.get("type", "object")
        if isinstance(kinds, list):
            return st.one_of([self.of({**schema, "type": kind}, depth) for kind in kinds])
        return self._typed(kinds, schema, depth)

    def _later(self, schema: Schema, depth: int) -> SearchStrategy[Any]:
        return st.deferred(lambda: self.of(schema, depth))

    def _typed(self, kind: str, schema: Schema, depth: int) -> SearchStrategy[Any]:
        match kind:
            case "null":
                return st.none()
            case "boolean":
                return st.booleans()
            case "integer":
                low, high = schema.get("minimum", -(2**31)), schema.get("maximum", 2**53)
                return st.integers(int(low), int(high))
            case "number":
                return st.floats(-1e6, 1e6)
            case "string":
                return self._text(schema)
            case "array" if "prefixItems" in schema:
                return st.tuples(*(self.of(one, depth) for one in schema["prefixItems"])).map(list)
            case "array":
                items = self.of(schema.get("items", {"type": "null"}), depth - 1)
                low = min(schema.get("minItems", 0), 3)
                return st.lists(items, min_size=low, max_size=low if depth < 1 else low + 2)
            case _:
                return self._object(schema, depth)

    def _text(self, schema: Schema) -> SearchStrategy[str]:
        match schema.get("format"):
            case "snowflake":
                return self._ids
            case "date-time":
                return st.sampled_from(["2026-01-02T03:04:05+00:00", "2026-02-30T00:00:00Z"])
            case "uri":
                return st.sampled_from(["https://example.org", "attachment://a.png", "x"])
        low, high = schema.get("minLength", 0), schema.get("maxLength", 6000)
        words = ["ping", "name", "VIP", "x" * min(high, 6001)]
        fitting = [word for word in words if low <= len(word) <= high]
        text = st.text(min_size=low, max_size=max(low, min(high, low + 12)))
        return st.one_of(text, st.sampled_from(fitting)) if fitting else text

    def _object(self, schema: Schema, depth: int) -> SearchStrategy[Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        inner = {key: self._later(one, depth - 1) for key, one in properties.items()}
        optional = {key: one for key, one in inner.items() if key not in required and depth > 0}
        return st.fixed_dictionaries(
            {key: inner[key] for key in required if key in inner}, optional=optional
        )


def _places(value: Any) -> list[tuple[Any, Any]]:
    """Return each place within *value*: a container and a key."""
    pairs: list[tuple[Any, Any]] = []
    keys = (
        value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    )
    for key in keys:
        pairs += [(value, key), *_places(value[key])]
    return pairs


@st.composite
def damaged(draw: DrawFn, values: SearchStrategy[Any]) -> Any:
    """Make a value, and damage it in up to three places."""
    value = copy.deepcopy(draw(values))
    for _ in range(draw(st.integers(0, 3))):
        if not (places := _places(value)):
            return draw(JUNK)
        container, key = places[draw(st.integers(0, len(places) - 1))]
        if isinstance(container, dict) and draw(st.booleans()):
            del container[key]
        else:
            container[key] = draw(JUNK)
    return value
