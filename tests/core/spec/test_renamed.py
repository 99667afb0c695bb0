"""Arguments under the names that they had before are taken, and the new ones said."""

import dataclasses

import pytest

from nnhp_torch import main


def test_a_sweeps_argument_is_taken_under_its_former_name_and_the_new_one_said(sweep):
    with pytest.warns(UserWarning, match="matters is called smallest_effect now"):
        judged = dataclasses.replace(sweep, matters=0.01)
    assert judged.smallest_effect == 0.01


def test_so_is_an_option(sweep, tmp_path, capsys):
    with pytest.raises(SystemExit, match="0"):
        main(sweep, argv=["--matters", "0.01", "--dry_run", "--log_dir", str(tmp_path)])
    assert "--matters is called --smallest_effect now" in capsys.readouterr().err
