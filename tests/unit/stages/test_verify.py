import pytest

from handgrad.errors import HandgradError
from handgrad.stages.verify import main, store_of


def test_the_store_is_the_folder_itself_or_the_one_above(tmp_path):
    for name in ("data", "runs", "wide"):
        (tmp_path / name).mkdir()
    assert store_of(tmp_path) == tmp_path
    assert store_of(tmp_path / "wide") == tmp_path


@pytest.mark.parametrize(
    ("folder", "message"),
    [
        ("nowhere", "there is no such folder; expected the results of a finished run"),
        ("copy", "a copy of results/NAME needs results/data, results/manifests and results/runs next to it"),
        ("results/wide", "has no manifests/facts.json; expected the results of a finished run"),
    ],
)
def test_a_folder_that_cannot_be_verified_is_refused_with_what_it_needs(tmp_path, folder, message):
    for name in ("copy", "results/data", "results/runs", "results/wide"):
        (tmp_path / name).mkdir(parents=True)
    with pytest.raises(HandgradError, match=message):
        main([str(tmp_path / folder)])
