"""What holds for every decoder of the table: being in it is being tested."""

import inspect

import pytest

from edgecv import zoo
from edgecv.decoders import DECODERS

Kind = inspect.Parameter


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_decoder_takes_outputs_spec_and_placement_then_options_by_name(name):
    parameters = list(inspect.signature(DECODERS.load(name)).parameters.values())
    assert [p.name for p in parameters[:3]] == ["outputs", "spec", "placement"]
    for parameter in parameters[:3]:
        assert parameter.kind is Kind.POSITIONAL_OR_KEYWORD, parameter
        assert parameter.default is Kind.empty, parameter
    for option in parameters[3:]:
        assert option.kind is Kind.KEYWORD_ONLY, option
        assert option.default is not Kind.empty, f"{option} has no default"


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_decoder_is_the_function_decode_of_its_own_file(name):
    assert DECODERS[name] == f"edgecv.decoders.{name}:decode"
    assert inspect.getdoc(DECODERS.load(name)), "what does it read?"


@pytest.mark.parametrize("name", zoo.names())
def test_a_listed_model_names_a_decoder_and_sets_only_options_it_has(name):
    spec = zoo.entry(name).spec
    known = inspect.signature(DECODERS.load(spec["decoder"])).parameters
    assert set(spec.get("options", {})) <= set(list(known)[3:])
