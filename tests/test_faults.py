"""A small draw of the campaign of faults (`make faults`); all of it with --all."""

import multiprocessing

import pytest

if "forkserver" not in multiprocessing.get_all_start_methods():
    reason = "a process for every trial is forked, which this system does not do"
    pytest.skip(reason, allow_module_level=True)

from faults import campaign

NOT_POSSIBLE = {"a full disk (tmpfs)": "no file system may be mounted here"}


@pytest.mark.parametrize("what", campaign.STORED)
def test_what_is_stored_is_whole_or_refused(what):
    row = campaign.run(what, 0.03, "toy")
    if not row.trials:
        pytest.skip(NOT_POSSIBLE[what])
    assert row.bad == 0, row


@pytest.mark.parametrize("what", campaign.ATTACKS)
def test_the_service_stands(what):
    row = campaign.run(what, 0.1, "toy")
    assert row.trials and row.bad == 0, row


@pytest.mark.slow
@pytest.mark.parametrize("what", campaign.STORED | campaign.ATTACKS)
def test_the_whole_campaign(what):
    row = campaign.run(what, 1.0, campaign.stored.LIGHT, seed=1)
    if not row.trials:
        pytest.skip(NOT_POSSIBLE[what])
    assert row.bad == 0, row
