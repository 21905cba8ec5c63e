"""YAML that is made to take long, or to fill the memory."""

import time

import pytest

from app.experiments.spec import SpecError
from app.services.untrusted_spec import read_data

BOMBS = {
    "keys": "".join(f"k{number}: 1\n" for number in range(150_000)),
    "values": f"a: [{'1,' * 300_000}1]",
    "parts of sixty": f"seed: {':'.join(['1'] * 200_000)}",
    "a fraction of sixtieths": f"seed: 1{':59' * 200_000}.5",
    "a long number": f"seed: {'9' * 400_000}",
    "in another base": f"seed: 0x{'f' * 400_000}",
    "underscores": f"seed: 1{'_1' * 200_000}",
    "aliases": "a: &a [x, x]\nb: &b [*a, *a]\n",
    "lists in lists": f"a: {'[' * 100_000}",
    "maps in maps": f"a: {'{a: ' * 20_000}",
    "a tag": "a: !!python/object/apply:os.system [ls]",
    "half a character": 'name: "\\ud800"',
    "two documents": "---\n" * 100_000,
    "a version": f"%YAML {'1' * 100_000}.1\n---\na: 1",
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_yaml_that_is_made_to_take_long_is_refused_soon(text: str) -> None:
    began = time.process_time()
    with pytest.raises(SpecError) as error:
        read_data(text, "the file")
    assert time.process_time() - began < 5
    assert len(str(error.value)) < 500


@pytest.mark.parametrize(("text", "value"), [("1_000", 1000), ("1:30", 90), ("0x1f", 31), ("1.5", 1.5)])
def test_usual_numbers_are_read(text: str, value: float) -> None:
    assert read_data(f"a: {text}", "the file") == {"a": value}
