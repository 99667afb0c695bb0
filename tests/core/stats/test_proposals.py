"""One of many proposals: its level, what it enters into a ledger, when it is given up, and what loops of them keep."""

import json
import random
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import TinyConfig, completed

import nnhp_torch
from nnhp_torch.cli.report import main as report
from nnhp_torch.core.errors import LedgerError
from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.spec.grid import Sweep
from nnhp_torch.core.spec.interim import LEVEL
from nnhp_torch.core.spec.provenance import name_of
from nnhp_torch.core.stats.pairs import paired_t_test
from nnhp_torch.core.stats.proposals import MOST, Proposal, Proposals, left_after, level_of

sys.path.insert(0, str(Path(__file__).parents[2]))
import proposals as simulated


def test_the_levels_of_any_number_of_proposals_are_5_percent_together():
    levels = [level_of([False] * before) for before in range(10_000)]
    assert sum(levels) + left_after(10_000) == pytest.approx(LEVEL)
    assert levels == sorted(levels, reverse=True)
    assert levels[99] > levels[0] / 10, "the hundredth can still be kept"


def test_what_was_kept_hands_its_level_on():
    """Tian and Ramdas 2021: the level of one that is rejected is the next one's beside its own."""
    assert level_of([True]) == pytest.approx(level_of([]) + level_of([False]))
    assert level_of([True, True]) == pytest.approx(sum(level_of([False] * n) for n in range(3)))
    assert level_of([True, False]) == level_of([False, False])


def test_the_test_is_a_one_sided_paired_t_test_with_holms_correction():
    proposal = Proposal("night", 1, 0.001)
    base, new, poor = [0.90, 0.91, 0.89, 0.92, 0.90, 0.91], [0.93, 0.94, 0.92, 0.94, 0.93, 0.95], [0.9] * 6
    found = proposal.judge([base, new], 0.001)
    assert found.p[1] == pytest.approx(paired_t_test(base, new) / 2)
    assert found.low[1] < found.gap[1] < found.high[1] < 0
    assert proposal.judge([base, new, poor], 0.001).p[1] == pytest.approx(2 * found.p[1])
    assert proposal.judge([base, new], 0.001, left=[poor]).p[1] == pytest.approx(2 * found.p[1])


def test_the_more_it_is_ahead_the_more_likely_it_is_kept_and_the_last_seeds_decide():
    proposal = Proposal("night", 1, 0.001, spread=0.003)
    chances = [proposal.chance(gap, 0.0, units=1, most=MOST) for gap in (0.01, 0.0, -0.005, -0.02)]
    assert chances == sorted(chances)
    assert chances[0] < 0.01 < 0.99 < chances[-1]
    assert proposal.chance(-1.0, 0.1, units=MOST, most=MOST) == 0
    assert Proposal("night", 1, 0.001).chance(-0.01, 0.0, units=1, most=MOST) == 1, "nothing is known of the spread"


def test_what_a_seed_does_to_both_cells_takes_no_chance_from_a_proposal():
    """Twelve pairs know their spread, 0.712, better than the baseline's four seeds, whose 1.358 is mostly common."""
    proposal = Proposal("night", 1, level_of([]), spread=1.358)
    assert proposal.chance(-0.953, 0.712 / 12**0.5, units=12, most=MOST) > 0.7
    assert simulated.loops(simulated.gate, 100, 10, helping=5, gain=0.7, common=0.9)[1] > 0.6


def test_loops_of_useless_proposals_keep_nothing_and_one_of_helping_ones_does():
    wrong, _, _ = simulated.loops(simulated.gate, 100, 20)
    assert wrong <= 0.15
    _, found, trials = simulated.loops(simulated.gate, 100, 10, helping=5)
    assert found > 0.6
    assert trials < 3.6
    assert simulated.loops(simulated.GATES["three seeds and a bootstrap"], 100, 10)[0] >= 0.7


class Scores:
    """Ends each trial with what its cell gives, and noise of its seed."""

    ran = 0

    def __init__(self, *_):
        pass

    def __call__(self, trials, listener):
        for trial in trials:
            if trial is not None:
                Scores.ran += 1
                noise = random.Random(f"{trial.cell} {trial.config.seed}").gauss(0, 0.003)
                listener.started(trial)
                listener.ended(trial, completed(trial, 0.9 + 0.02 * (trial.cell["lr"] == 0.2) + noise))


@pytest.fixture
def propose(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(lr, *argv, name="tiny"):
        swept = Sweep(name, TinyConfig(), {"lr": [0.2]}, "toy:build")
        argv = ["--grid.lr", str(lr), "--baseline", "lr=0.1", "--proposal", "night", "--jobs", "0", *argv]
        with pytest.raises(SystemExit) as ended:
            nnhp_torch.main(swept, launch=Scores, argv=argv)
        return ended.value.code

    return run


def _entries():
    return Proposals("lightning_logs", "night").entries()


def _document():
    return json.loads(Path("lightning_logs/tiny/verdicts.json").read_text())


def test_a_proposal_that_helps_is_kept_with_few_seeds_and_a_useless_one_costs_fewer(propose, capsys):
    assert propose(0.3, "--require", "better") == 4
    assert "Not kept, after" in capsys.readouterr().out
    useless = Scores.ran
    assert propose(0.2, "--require", "better") == 0
    out = capsys.readouterr().out
    assert "Kept: lr=0.2 by " in out
    assert "proposal 2 of night: one-sided paired t-test at a level of 0.00094" in out
    assert useless <= 6 < Scores.ran
    assert [(entry["cells"], entry["kept"]) for entry in _entries()] == [([{"lr": 0.3}], []), ([{"lr": 0.2}],) * 2]
    found = _document()
    assert found["proposal"] == {"ledger": "night", "number": 2, "kept": [{"lr": 0.2}], "left": left_after(2)}
    assert found["level"] == level_of([False])
    assert "0.00094 level over" in found["test"], "the same in words"
    assert propose(0.4) == 0
    assert _entries()[2]["level"] == level_of([False, True])
    assert _entries()[2]["spread"] == pytest.approx(0.003, rel=0.7), "the baseline's, of which the ledger has seeds"


def test_the_same_proposal_again_is_the_same_one_and_spends_nothing(propose):
    propose(0.3), propose(0.2)
    before, ran = Path("lightning_logs/night.proposals.jsonl").read_text(), Scores.ran
    propose(0.3)
    assert _document()["proposal"]["number"] == 1
    assert (Path("lightning_logs/night.proposals.jsonl").read_text(), Scores.ran) == (before, ran)


def test_a_dry_run_enters_nothing_and_what_is_refused_neither(propose, capsys):
    assert propose(0.3, "--dry_run") == 0
    for argv, said in (
        (["--seeds", "5"], "--proposal adds seeds where they decide: --seeds '[1000]' is the first, not 5"),
        (["--over.width", "2", "3"], "--proposal has a test of its own"),
        (["--seeds", "[1, 7]"], "is the first, not [1, 7]"),
        (["--proposal", "../night"], "names a ledger: at most 200 letters, digits, _ and -, not '../night'"),
        (["--proposal", "n" * 300], "names a ledger: at most 200 letters"),
        (["--max_seeds", "3"], "max_seeds must be more than the 3 seeds"),
        (["--baseline=null"], "null should be NAME=VALUE, such as lr=0.01"),
        (["--baseline", "lr=0.3"], "there is no cell beside the baseline's: --grid.NAME VALUE"),
    ):
        assert propose(0.3, *argv) == 2, argv
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1
        assert said in lines[0]
    with pytest.raises(ValueError, match="--proposal needs a cell to be held against: --baseline NAME=VALUE"):
        _tiny(0.3, None)[0].run(proposal="night", launch=Scores)
    assert not list(Path().iterdir())


def test_what_has_been_seen_is_no_proposal_any_more(propose, capsys):
    propose(0.3)
    assert propose(0.3, "--baseline", "lr=0.4") == 2
    assert "lr=0.3 has results here already" in capsys.readouterr().err
    assert len(_entries()) == 1, "and it has spent nothing"


def test_what_another_sweep_beside_it_has_run_has_been_seen(propose, capsys):
    """A sweep by another name trains the same trials, and whoever has looked at them knows what to propose."""
    propose(0.3, name="scout")
    assert propose(0.3, "--proposal", "day") == 2
    assert "lr=0.3 has results here already" in capsys.readouterr().err
    assert not Path("lightning_logs/day.proposals.jsonl").exists()


def test_a_second_one_at_once_is_told_to_wait_and_has_spent_nothing(propose, capsys):
    with ResultStore("lightning_logs/tiny").lock():
        assert propose(0.3) == 2
    said = capsys.readouterr().err
    assert "wait until it has ended" in said
    assert "log_dir" not in said
    assert not _entries()


def test_a_log_dir_that_is_a_file_is_refused_in_a_line(propose, capsys):
    Path("file").write_text("anybody's")
    for log_dir in ("file", "file/below"):
        for argv in ([], ["--dry_run"]):
            assert propose(0.3, "--log_dir", log_dir, *argv) == 2
            assert "log_dir: file is a file, and a folder belongs there" in capsys.readouterr().err


def _edit_the_code():
    """What the ledger has is of another source from now on."""
    ledger = Path("lightning_logs/tiny/results.jsonl")
    records = [json.loads(line) for line in ledger.read_text().splitlines()]
    for record in records:
        sources = {"toy": "apart:0123456789abcdef"}
        record["build"] = {"name": "toy:build", "config": name_of(TinyConfig), "sources": sources}
    ledger.write_text("".join(f"{json.dumps(record)}\n" for record in records))


def _spent():
    return Path("lightning_logs/night.proposals.jsonl").read_text(), Scores.ran


def test_what_an_edit_of_the_code_has_made_stale_is_no_baseline(propose, capsys):
    """The new cell would be of today's source, the baseline of another, and the level spent on the difference."""
    propose(0.3)
    _edit_the_code()
    before = _spent()
    assert propose(0.2) == 2
    assert "are of another source than today's: --stale rerun makes them anew" in capsys.readouterr().err
    assert _spent() == before, "nothing was run or spent"
    assert propose(0.2, "--stale", "rerun") == 0
    assert "Kept: lr=0.2 by " in capsys.readouterr().out


@pytest.mark.parametrize("anew", [["--stale", "rerun"], ["--fresh"], []])
def test_a_proposal_is_not_judged_again_by_results_that_are_made_anew(propose, anew, capsys):
    """Its level was spent on the former ones: code that is edited until it passes has been tried many times."""
    propose(0.3)
    _edit_the_code()
    if not anew:
        Path("lightning_logs/tiny/results.jsonl").unlink()
    before = _spent()
    assert propose(0.3, *anew) == 2
    assert "proposal 1 of night has spent its level on results that would be made anew" in capsys.readouterr().err
    assert _spent() == before
    if anew:
        assert propose(0.3, "--stale", "use") == 0
        assert _spent() == before, "as they are it is the same one"
    assert propose(0.3, *anew, "--seeds", "[1000]") == 0
    assert len(_entries()) == 2, "on other seeds it is another one"
    assert '"seed": 1000' in Path("lightning_logs/tiny/results.jsonl").read_text()


def test_the_page_of_a_folder_with_several_proposals_is_made_again_as_that_of_the_last_one(propose):
    propose(0.3), propose(0.2)
    page = Path("lightning_logs/tiny/report.html")
    made = [page.read_text()]
    assert report(["lightning_logs/tiny"]) == 0
    made.append(page.read_text())
    for text in made:
        assert "Kept: lr=0.2 by " in text
        assert "proposal 2 of night: one-sided paired t-test at a level of 0.00094" in text
        assert ">0.2<" in text
        assert ">0.3<" not in text
        assert "not run" not in text


def test_a_sweeps_ledger_that_is_damaged_is_refused_in_a_line_and_nothing_is_spent(propose, capsys):
    propose(0.3)
    with open("lightning_logs/tiny/results.jsonl", "a") as file:
        file.write("garbage\n")
    assert propose(0.2) == 2
    assert "Nothing was changed" in (said := capsys.readouterr().err)
    assert len(said.splitlines()) == len(_entries()) == 1


def test_a_sweep_that_was_stopped_has_spent_its_level_and_goes_on_as_the_same_proposal(propose, monkeypatch):
    with monkeypatch.context() as stopped:
        stopped.setattr(Scores, "__call__", lambda self, trials, listener: None)
        propose(0.2)
    assert [entry.get("kept") for entry in _entries()] == [None]
    assert Proposals("lightning_logs", "night").of(*_tiny(0.3)).level == level_of([False])
    propose(0.2)
    assert [entry["kept"] for entry in _entries()] == [[{"lr": 0.2}]]


def _tiny(lr, baseline=0.1):
    baseline = baseline and {"lr": baseline}
    swept = Sweep("tiny", TinyConfig(), {"lr": [lr]}, "toy:build", baseline=baseline)
    return swept, swept.trials([1]), {}


def test_a_torn_line_is_left_out_and_cut_off_and_a_damaged_or_edited_one_is_refused(tmp_path):
    ledger = Proposals(str(tmp_path), "night")
    first = ledger.of(*_tiny(0.2))
    ledger.enter(first, _tiny(0.2)[0])
    with open(ledger.path, "a") as file:
        file.write('{"number": 1, "ke')
    assert len(ledger.entries()) == 1
    ledger.close(first, [{"lr": 0.2}])
    assert ledger.entries()[0]["kept"] == [{"lr": 0.2}]
    more = ledger.path.read_text().replace(f'"level": {first.level}', '"level": 0.05')
    for edited in ("nonsense\n", more):
        ledger.path.write_text(edited)
        with pytest.raises(ValueError, match="line 1 is damaged, or was edited; nothing was changed"):
            ledger.of(*_tiny(0.2))


def test_of_two_that_are_entered_at_once_the_second_is_told(tmp_path):
    ledger = Proposals(str(tmp_path), "night")
    first, second = (ledger.of(*_tiny(lr)) for lr in (0.2, 0.3))
    ledger.enter(first, _tiny(0.2)[0])
    with pytest.raises(LedgerError, match="has another proposal 1 by now: run the command again"):
        ledger.enter(second, _tiny(0.3)[0])


def test_the_levels_hold_for_wild_proposals_too():
    """Each pair's own spread counts: a proposal of ten times the baseline's is kept as rarely."""
    generator, kept = np.random.default_rng(0), 0
    for _ in range(2000):
        base, new = generator.normal(size=6), 10 * generator.normal(size=6)
        found = Proposal("night", 1, 0.02).judge([base.tolist(), new.tolist()], 0.02)
        kept += found.gap[1] < 0 and found.p[1] < 0.02
    assert kept <= 60
