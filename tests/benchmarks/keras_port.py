"""The article's trials in Keras, by what its prose means. Runs by itself, in an environment that has TensorFlow.

Reads {"folder": where the IDX files are, "trials": settings of each} from standard input and writes the
seconds at which each trial's epochs ended to standard output, both as JSON.
"""

import json
import sys
import time
from pathlib import Path

import keras
import numpy as np


def load(folder, part):
    images = np.frombuffer((folder / f"{part}-images-idx3-ubyte").read_bytes(), np.uint8, offset=16)
    labels = np.frombuffer((folder / f"{part}-labels-idx1-ubyte").read_bytes(), np.uint8, offset=8)
    return images.reshape(-1, 784).astype("float32") / 255, keras.utils.to_categorical(labels, 10)


def network(trial):
    kind = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}[trial["reg_type"]]
    model = keras.Sequential([keras.Input((784,)), keras.layers.Dense(trial["n_nodes"], activation="relu")])
    for _ in range(trial["n_layers"]):
        model.add(keras.layers.Dense(trial["n_nodes"], activation="relu", kernel_regularizer=kind(trial["reg"])))
        model.add(keras.layers.Dropout(trial["dropout"]))
    model.add(keras.layers.Dense(10, activation="softmax"))
    optimizer = getattr(keras.optimizers, trial["optimizer"])(learning_rate=trial["lr"])
    model.compile(optimizer=optimizer, loss="categorical_crossentropy", metrics=["accuracy"])
    return model


def run(trial, train, test):
    keras.utils.set_random_seed(trial["seed"])
    started = time.perf_counter()
    ends = []
    network(trial).fit(
        *train,
        batch_size=trial["batch_size"],
        epochs=trial["max_epochs"],
        validation_data=test,
        verbose=0,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: ends.append(time.perf_counter() - started),
            )
        ],
    )
    keras.backend.clear_session()
    return ends


if __name__ == "__main__":
    job = json.load(sys.stdin)
    train, test = (load(Path(job["folder"]), part) for part in ("train", "t10k"))
    ends = [run(trial, train, test) for trial in job["trials"]]
    json.dump({"keras": keras.version(), "ends": ends}, sys.stdout)
