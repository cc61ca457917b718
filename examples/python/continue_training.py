"""Continues a training that Graft began: runs the programs of `graft export MODEL --training --out DIR` with onnxruntime.

    python continue_training.py DIR batches.safetensors [--steps 100] [--rate 0.002] [--out state.safetensors]

Needs numpy, onnxruntime and safetensors. `batches.safetensors` holds an array for every input that training.json lists for a
step (and is no rate), with one batch after another along the first axis; sample weights may be left out. The state, which is
the weights, the optimizer's memory and the step count, is read from DIR and written to --out, from where another run goes on
to the same numbers as if it had not stopped. Weights go by the names that they have in the model.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import onnxruntime
from safetensors.numpy import load_file, save_file


class Program:
    """An ONNX graph with some inputs fed from a state, and some outputs that replace it."""

    def __init__(self, folder, description):
        self.session = onnxruntime.InferenceSession(str(folder / description["file"]), providers=["CPUExecutionProvider"])
        self.description = description

    def run(self, feeds, state):
        """Runs once; moves the state, and returns the outputs that are not state, by name."""
        bound = self.description["state"]
        feeds = {**feeds, **{entry["input"]: state[entry["name"]] for entry in bound}}
        names = [output.name for output in self.session.get_outputs()]
        results = dict(zip(names, self.session.run(names, {name: np.asarray(value) for name, value in feeds.items()})))
        for entry in bound:
            if "output" in entry:
                state[entry["name"]] = results.pop(entry["output"])
        return results


class Training:
    """The step, the update where gradients are added up over several batches, and the state between them."""

    def __init__(self, folder, rate=None):
        folder = Path(folder)
        self.description = json.loads((folder / "training.json").read_text())
        self.results = self.description["results"]
        self.step_program = Program(folder, self.description["step"])
        apply = self.description["apply"]
        self.apply_program = apply and Program(folder, apply)
        self.state = load_file(str(folder / self.description["state"]["file"]))
        rates = self.description["rates"]
        self.rates = {name: np.float32(value if rate is None else rate) for name, value in rates.items()}

    def step(self, batches):
        """One update from a list of batches (one, unless gradients are added up). Returns loss, gradient norm and finite."""
        program, last = self.step_program, {}
        own_rates = {} if self.apply_program else self.rates
        loss = 0.0
        for batch in batches:
            last = program.run({**batch, **own_rates}, self.state)
            loss += float(last[self.results["loss"]])
        if self.apply_program:
            last = self.apply_program.run(self.rates, self.state)
        return {
            "loss": loss,
            "gradient_norm": float(last[self.results["gradientNorm"]]),
            "finite": bool(last[self.results["finite"]]),
        }


def read_batches(path, description, per_step):
    """Lists of `per_step` batches, over and over."""
    arrays = load_file(path)
    size = description["batch"]
    inputs = [entry for entry in description["step"]["inputs"] if entry["role"] != "rate"]
    count = min(len(arrays[entry["name"]]) // entry["shape"][0] for entry in inputs if entry["role"] != "sample weights")
    if count < per_step:
        raise SystemExit(f"{path} holds {count} batches of {size}; a step takes {per_step}.")

    def batch(k):
        feeds = {}
        for entry in inputs:
            rows = entry["shape"][0]
            if entry["role"] == "sample weights" and entry["name"] not in arrays:
                # The mean over the whole step.
                feeds[entry["name"]] = np.full(rows, 1 / (rows * per_step), np.float32)
            else:
                feeds[entry["name"]] = arrays[entry["name"]][k * rows : (k + 1) * rows]
        return feeds

    at = 0
    while True:
        yield [batch((at + i) % count) for i in range(per_step)]
        at = (at + per_step) % count


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="what graft export --training wrote")
    parser.add_argument("batches", help="safetensors file with the data")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--accumulate", type=int, default=1, help="batches a step, where the export has apply.onnx")
    parser.add_argument("--rate", type=float, help="learning rate; that of the export by default")
    parser.add_argument("--out", help="where to write the state; by default it replaces the one in the folder")
    parser.add_argument("--json", action="store_true", help="one JSON object a step")
    options = parser.parse_args()

    training = Training(options.folder, options.rate)
    batches = read_batches(options.batches, training.description, options.accumulate)
    for k in range(options.steps):
        result = training.step(next(batches))
        if options.json:
            print(json.dumps({"step": k + 1, **result}), flush=True)
        else:
            note = "" if result["finite"] else "  not finite: nothing was changed"
            print(f"step {k + 1}: loss {result['loss']:.6f}{note}", flush=True)
    out = options.out or str(Path(options.folder) / training.description["state"]["file"])
    save_file({name: np.array(value, order="C") for name, value in training.state.items()}, out)


if __name__ == "__main__":
    main()
