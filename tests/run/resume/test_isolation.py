"""A trial finds its process as if no other had been there, and leaves it so."""

import builtins
import dataclasses
import decimal
import functools
import importlib
import locale
import logging
import multiprocessing
import os
import random
import signal
import sys
import warnings

import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
import scipy.special
import torch
import torchvision
import toy
from torch.nn.modules.module import register_module_forward_hook
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torchmetrics import SumMetric

from nnhp_torch.core.ledger.store import ResultStore
from nnhp_torch.core.sweeper import Sweeper
from nnhp_torch.run.launch.workers import InProcess, Workers
from nnhp_torch.run.resume import global_variables, libraries, object_graph
from nnhp_torch.run.resume.isolation import environment_of_one, isolated, standing_in
from nnhp_torch.run.runtime import Runtime


class Counter:
    of_all = 0

    def __init__(self):
        self.n = 0

    def count(self):
        self.n += 1


def state():
    """All that a trial might change."""
    return {
        "torch": torch.get_rng_state().tolist(),
        "numpy": np.random.get_state()[1].tolist(),
        "python": random.getstate(),
        "dtype": torch.get_default_dtype(),
        "device": torch.get_default_device(),
        "threads": torch.get_num_threads(),
        "gradients": torch.is_grad_enabled(),
        "anomaly": torch.is_anomaly_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "products": torch.get_float32_matmul_precision(),
        "mkldnn": (torch.backends.mkldnn.enabled, torch.backends.mkldnn.fp32_precision),
        "attention": torch.backends.cuda.math_sdp_enabled(),
        "denormals": float(torch.full((), 1e-40) * 1),
        "functions": (torch.nn.functional.relu, torch.nn.Linear.extra_repr),
        "numpy's errors": np.geterr(),
        "processes": multiprocessing.get_start_method(allow_none=True),
        "cudnn": torch.backends.cudnn.benchmark,
        "folder": os.getcwd(),
        "environment": dict(os.environ),
        "warnings": list(warnings.filters),
        "log": logging.getLogger("lightning.pytorch").level,
    }


@pytest.fixture(autouse=True)
def _plain_products():
    """As in a fresh process: another test may have chosen the library of products."""
    torch.set_float32_matmul_precision("highest")


def test_a_trial_that_changes_all_that_it_can_leaves_the_next_one_its_digits(sweep, tmp_path):
    two = dataclasses.replace(sweep, axes={"width": [4, 8]}, build=toy.build_changing_its_process)
    alone = dataclasses.replace(two, axes={"width": [8]})
    outcomes = []
    for folder, these in ((tmp_path / "alone", alone), (tmp_path / "after another", two)):
        store, before = ResultStore(folder), state()
        folder.mkdir()
        launch = InProcess(these.build, Runtime(str(folder), accelerator="cpu"))
        outcomes.append(Sweeper(launch, store).run(these, these.trials()))
        assert state() == before, "nothing leaks into one's own process, such as a notebook"
    (fresh,), (changer, after) = (outcome.ordered for outcome in outcomes)
    assert (changer.status, fresh.status) == ("completed", "completed"), changer.reason
    assert (after.history, after.test) == (fresh.history, fresh.test)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("build", ["toy:build_global", "toy:build_counting"])
def test_a_trial_that_changes_a_global_variable_leaves_its_process_to_no_other(sweep, tmp_path, build):
    """Nor does the look at whether trials can run."""
    two = dataclasses.replace(sweep, axes={"width": [4, 8]}, build=build)
    outcomes = []
    for trials in (two.trials()[1:], two.trials()):
        store = ResultStore(tmp_path / str(len(trials)))
        launch = Workers(two.build, Runtime(str(store.folder), accelerator="cpu"), jobs=1)
        outcomes.append(Sweeper(launch, store).run(two, trials).ordered[-1])
    alone, after = outcomes
    assert (after.history, after.test, after.notes) == (alone.history, alone.test, [])


def own(*_):
    return None


FORWARD, STEP = vars(torch.nn.modules.module)["_global_forward_hooks"], "torch.optim.optimizer"


class Doubled(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        return function(*args, **kwargs or {}) if function is not torch.relu else 2


class Counted(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return function(*args, **kwargs or {}) * 2


LEFT_BEHIND = {  # a change, and what shows it
    "a function of another library": (
        lambda: setattr(torchvision.transforms.functional, "normalize", own),
        lambda: torchvision.transforms.functional.normalize,
    ),
    "a method": (lambda: setattr(PIL.Image.Image, "resize", own), lambda: PIL.Image.Image.resize),
    "something else in a function's place": (
        lambda: setattr(scipy.special, "expit", object()),
        lambda: scipy.special.expit,
    ),
    "a function that is gone": (lambda: delattr(scipy.special, "erf"), lambda: getattr(scipy.special, "erf", None)),
    "a flag": (
        lambda: setattr(PIL.ImageFile, "LOAD_TRUNCATED_IMAGES", True),
        lambda: PIL.ImageFile.LOAD_TRUNCATED_IMAGES,
    ),
    "a builtin": (lambda: setattr(builtins, "sum", lambda *_: 0), lambda: sum),
    "a hook of every module": (lambda: register_module_forward_hook(own), lambda: dict(FORWARD)),
    "a hook of every step": (
        lambda: register_optimizer_step_pre_hook(functools.partial(own)),
        lambda: dict(vars(sys.modules[STEP])["_global_optimizer_pre_hooks"]),
    ),
    "a function of one's own": (lambda: setattr(toy, "build", own), lambda: toy.build),
    "a class of one's own": (lambda: setattr(toy, "Toy", Counter), lambda: toy.Toy),
    "a method of one's own": (lambda: setattr(toy.Toy, "training_step", own), lambda: toy.Toy.training_step),
    "a mode of torch's functions": (lambda: Doubled().__enter__(), lambda: float(torch.relu(torch.ones(())))),
    "a mode of torch's operators": (lambda: Counted().__enter__(), lambda: float(torch.relu(torch.ones(())))),
    "a device for all that is made": (lambda: torch.device("meta").__enter__(), lambda: torch.ones(1).device),
    "how attention is computed in eval mode": (
        lambda: torch.backends.mha.set_fastpath_enabled(False),
        torch.backends.mha.get_fastpath_enabled,
    ),
    "a precision": (lambda: torch.set_autocast_enabled("cpu", True), lambda: torch.is_autocast_enabled("cpu")),
    "decimal's digits": (lambda: setattr(decimal.getcontext(), "prec", 5), lambda: decimal.Decimal(1) / 3),
    "the path of modules": (lambda: sys.path.insert(0, "elsewhere"), lambda: sys.path[:]),
    "the recursion limit": (lambda: sys.setrecursionlimit(900), sys.getrecursionlimit),
    "the locale": (lambda: locale.setlocale(locale.LC_ALL, "C"), lambda: locale.setlocale(locale.LC_ALL)),
    "a signal's handler": (lambda: signal.signal(signal.SIGUSR2, own), lambda: signal.getsignal(signal.SIGUSR2)),
}


@pytest.mark.parametrize("what", LEFT_BEHIND)
def test_nothing_that_could_change_digits_is_left_behind_by_a_trial(what):
    change, look = LEFT_BEHIND[what]
    locale.setlocale(locale.LC_ALL, "C.UTF-8")
    before = look()
    with isolated():
        change()
        assert look() != before
    assert look() == before


def test_what_a_library_notes_for_itself_stays():
    """It would be noted again, or be missed: nothing of the user's code is in it."""
    with isolated():
        PIL.Image.register_open("A FORMAT", PIL.Image.Image)
        torch.cuda.noted = torch.nn.functional.relu
    assert (PIL.Image.OPEN.pop("A FORMAT"), vars(torch.cuda).pop("noted")) == (
        (PIL.Image.Image, None),
        torch.nn.functional.relu,
    )


def test_in_one_process_it_is_said_that_a_global_variable_had_changed(sweep, tmp_path):
    two = dataclasses.replace(sweep, axes={"width": [4, 8]}, build=toy.build_global)
    store = ResultStore(tmp_path / "tiny")
    launch = InProcess(two.build, Runtime(str(store.folder), accelerator="cpu"))
    first, second = Sweeper(launch, store).run(two, two.trials()).ordered
    toy.BANK.clear()
    assert (first.notes, second.notes) == ([], ["may differ: toy.BANK had changed in its process before it ran"])


def test_that_is_said_of_the_first_trial_too_if_the_look_at_whether_it_can_run_has_changed_it(sweep, tmp_path):
    one = dataclasses.replace(sweep, axes={"width": [4]}, build=toy.build_counting)
    store = ResultStore(tmp_path / "tiny")
    (first,) = (
        Sweeper(InProcess(one.build, Runtime(str(store.folder), accelerator="cpu")), store)
        .run(one, one.trials())
        .ordered
    )
    toy.BANK.clear()
    assert first.notes == ["may differ: toy.BANK had changed in its process before it ran"]


IMPORTED = """
import os
import numpy as np
import torch
torch.set_default_dtype(torch.float64)
torch.set_float32_matmul_precision("high")
torch.nn.functional.relu = torch.nn.functional.gelu
os.environ["SET_BY_AN_IMPORT"] = "1"
RNG = np.random.default_rng(0)
CONSTANT = float(np.random.rand() + torch.rand(1))
CHANGED = [0]
"""


def test_what_an_import_does_to_the_process_stays_because_it_is_done_once(tmp_path, monkeypatch, request):
    """No trial's draws depend on whether it was the first to import a module; what the trial itself does goes."""
    (tmp_path / "imported_in_a_trial.py").write_text(IMPORTED)
    (tmp_path / "imported_by_another.py").write_text(IMPORTED)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(torch.nn.functional, "relu", torch.nn.functional.relu)  # and the others as they are, in the end
    monkeypatch.setenv("SET_BY_AN_IMPORT", "")
    request.addfinalizer(functools.partial(torch.set_default_dtype, torch.get_default_dtype()))
    request.addfinalizer(functools.partial(torch.set_float32_matmul_precision, "highest"))
    global_variables.begin()
    gelu = torch.nn.functional.gelu
    with isolated():
        os.environ["SET_BY_A_TRIAL"] = "1"
        torch.nn.functional.gelu = own
        torch.manual_seed(7)
        here = importlib.import_module("imported_in_a_trial")
        assert torch.initial_seed() == 7
        assert (here.RNG.random(), here.CHANGED.append(1)) == (np.random.default_rng(0).random(), None)
        torch.set_default_dtype(torch.float16)
    assert (torch.get_default_dtype(), torch.get_float32_matmul_precision()) == (torch.float64, "high")
    assert torch.nn.functional.relu is own
    assert torch.nn.functional.gelu is gelu, "though an import has changed another function of that module"
    assert (os.environ["SET_BY_AN_IMPORT"], "SET_BY_A_TRIAL" in os.environ) == ("1", False)
    assert here.RNG.random() == np.random.default_rng(0).random()
    assert global_variables.changed() == ["imported_in_a_trial.CHANGED"]
    with isolated():
        np.random.seed(5)
        assert importlib.import_module("imported_by_another").CONSTANT == here.CONSTANT


def test_a_generator_of_numpys_that_is_made_without_a_seed_is_the_trials_own():
    """As data sets and gymnasium's environments make it; by hand NumPy asks the system for entropy."""

    def drawn(seed):
        with isolated():
            random.seed(seed)
            return [make().random() for make in (np.random.default_rng, np.random.RandomState, np.random.default_rng)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert len(set(drawn(1))) == 3
    assert np.random.default_rng().random() != np.random.default_rng().random()


def test_what_stands_in_for_a_librarys_function_while_a_module_is_imported_that_names_it_goes(tmp_path, monkeypatch):
    """A project is run as far as its fit with other functions in the place of torch's and Lightning's."""
    installed = tmp_path / "site-packages"
    installed.mkdir()
    (installed / "some_library").with_suffix(".py").write_text("def answer(): ...")  # this file shall not name it
    (tmp_path / "names_some_library.py").write_text("import some_library")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.syspath_prepend(installed)
    library = importlib.import_module("some_library")
    answer = library.answer
    with isolated(), standing_in(library, "answer", own):
        importlib.import_module("names_some_library")
        assert library.answer is own
    assert library.answer is answer


def test_an_import_of_what_nobody_names_is_looked_at_alone(tmp_path, monkeypatch):
    """Of transformers one imports dozens within a trial, beside thousands of modules."""
    (tmp_path / "named_by_nobody.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(globals(), "everywhere", sys)  # whose modules and finders each import changes
    with isolated():
        own, searched, looked_at = object_graph.own_modules(), libraries._entries_in.cache_info().misses, []
        found, names = object_graph.is_own_module, libraries.names()
        monkeypatch.setattr(object_graph, "is_own_module", lambda *of: looked_at.append(of) or found(*of))
        importlib.import_module("named_by_nobody")
        assert libraries.names() is names
    assert libraries._entries_in.cache_info().misses == searched
    assert {name for name, _ in looked_at} == {*dict(own), "named_by_nobody", "__main__"}


def test_own_modules_are_found_whatever_is_taken_out_of_those_there_are(tmp_path, monkeypatch):
    for name in ("taken_out", "last", "another"):
        (tmp_path / f"{name}.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("taken_out")
    importlib.import_module("last")
    assert {"taken_out", "last"} <= dict(object_graph.own_modules()).keys()
    monkeypatch.delitem(sys.modules, "last")
    importlib.import_module("another")
    last = importlib.import_module("last")
    monkeypatch.delitem(sys.modules, "taken_out")
    found = dict(object_graph.own_modules())
    assert (found["last"], "another" in found, "taken_out" in found) == (last, True, False)


LAZY = """
import importlib
def __getattr__(name):
    inner = importlib.import_module("lazy_library.inner")
    globals()[name] = getattr(inner, name)
    return globals()[name]
"""


def test_a_class_that_a_library_imports_when_it_is_asked_for_is_put_back_too(tmp_path, monkeypatch):
    """As transformers does with its models: own code names the library, and nobody the module within."""
    package = tmp_path / "site-packages" / "lazy_library"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(LAZY)
    (package / "inner.py").write_text("class Net:\n    def step(self):\n        return 1\n")
    (tmp_path / "of_ones_own.py").write_text("def net():\n    from lazy_library import Net\n    return Net\n")
    for folder in (package.parent, tmp_path):
        monkeypatch.syspath_prepend(folder)
    own_code = importlib.import_module("of_ones_own")
    with isolated():
        own_code.net().step = own
    assert own_code.net()().step() == 1


class Deprecated:
    def __getattribute__(self, name):
        warnings.warn(
            f"{name} of a name that is deprecated, as torch.distributed.reduce_op", FutureWarning, stacklevel=2
        )
        return object.__getattribute__(self, name)


def test_a_name_that_a_library_warns_of_is_not_asked_anything(monkeypatch):
    monkeypatch.setattr(torch, "a_former_name", Deprecated(), raising=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        libraries.search()
        assert torch in libraries.names()


@functools.cache
def cached():
    return toy.ToyData()


def build_from_a_cache(config):
    data = cached()
    data.data.tensors[0].mul_(2)
    return toy.Toy(config.lr, config.width), data


def test_a_trial_that_changes_what_a_function_has_cached_leaves_the_next_one_its_digits(sweep, tmp_path):
    two = dataclasses.replace(sweep, axes={"width": [4, 8]}, build=build_from_a_cache)
    outcomes = []
    for trials in (two.trials()[1:], two.trials()):
        store = ResultStore(tmp_path / str(len(trials)))
        launch = InProcess(two.build, Runtime(str(store.folder), accelerator="cpu"))
        outcomes.append(Sweeper(launch, store).run(two, trials).ordered[-1])
    alone, after = outcomes
    assert (after.history, after.test) == (alone.history, alone.test)


def remember(seen=[]):  # noqa: B006
    seen.append(1)


def count():
    count.n += 1


count.n = 0


def _counting():
    n = 0

    def count():
        nonlocal n
        n += 1

    return count


class Remembering:
    def __init__(self, seen={}):  # noqa: B006
        seen[len(seen)] = 1


CLOSED = _counting()
COUNTED = {
    "list": [1],
    "object": Counter(),
    "inside": {"a": [Counter()]},
    "network": torch.nn.Linear(2, 2),
    "metric": SumMetric(),
    "number": 1,
}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda: COUNTED["list"].append(2), "COUNTED.list"),
        (lambda: COUNTED["object"].count(), "COUNTED.object.n"),
        (lambda: COUNTED["inside"]["a"][0].count(), "COUNTED.inside.a.0.n"),
        (lambda: torch.nn.init.ones_(COUNTED["network"].weight), "COUNTED.network"),
        (lambda: COUNTED["metric"].update(1), "COUNTED.metric"),
        (lambda: remember(), "remember.default0"),
        (lambda: Remembering(), "Remembering.__init__.default0"),
        (lambda: count(), "count.n"),
        (lambda: CLOSED(), "CLOSED.n"),
        (lambda: setattr(Counter, "of_all", 1), "Counter.of_all"),
        (lambda: COUNTED.update(new=1), "COUNTED.new"),
        (lambda: None, ""),
    ],
)
def test_whatever_a_global_variable_holds_a_change_of_it_is_seen(change, named):
    global_variables.begin()
    change()
    assert [name.removeprefix("test_isolation.") for name in global_variables.changed()] == ([named] if named else [])


def test_the_default_device_and_gradients_are_put_back_also_after_an_exception():
    @isolated()
    def change():
        torch.set_default_device("meta")
        torch.set_grad_enabled(False)
        raise ZeroDivisionError

    before = state()
    with pytest.raises(ZeroDivisionError):
        change()
    assert state() == before


def test_a_module_that_changes_directory_keeps_its_files_in_one_folder(sweep, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    one = dataclasses.replace(sweep, axes={"width": [4]}, build=toy.build_changing_its_process)
    store = ResultStore("logs/tiny")
    Sweeper(InProcess(one.build, Runtime("logs/tiny", accelerator="cpu")), store).run(one, one.trials())
    (folder,) = tmp_path.glob("logs/tiny/*/checkpoints")
    assert {path.name for path in folder.iterdir()} == {"last.ckpt", "best.ckpt", "trial.json"}
    assert list(folder.parent.glob("events.out.tfevents.*"))


def test_an_environment_without_the_ranks_of_another_launcher_is_put_back(monkeypatch):
    monkeypatch.setenv("RANK", "3")
    with environment_of_one({"LOCAL_RANK": "0"}):
        assert ("RANK" in os.environ, os.environ["LOCAL_RANK"]) == (False, "0")
    assert (os.environ["RANK"], "LOCAL_RANK" in os.environ) == ("3", False)
