"""The other side of peftPython.test.ts: small networks, their exports to ONNX, and PEFT's adapters on them.

make FOLDER           bert/ and cnn/: model.onnx, inputs.safetensors, and an adapter in each <kind>/ with what it gives
apply FOLDER ADAPTER  what PEFT gives for each adapter folder (<network>/<name>): <adapter>/outputs.safetensors
"""
import sys
import warnings

import torch
from peft import IA3Config, LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file
from transformers import BertConfig, BertForSequenceClassification

warnings.filterwarnings("ignore")


class Cnn(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, 4, 3, padding=1)
        self.conv2 = torch.nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.fc = torch.nn.Linear(6, 3)

    def forward(self, pixel_values):
        h = torch.tanh(self.conv2(torch.tanh(self.conv1(pixel_values))))
        return self.fc(h.mean((2, 3)))


class Logits(torch.nn.Module):
    """A classifier whose output is the logits alone; its names stay."""

    def __init__(self, model):
        super().__init__()
        self.bert, self.dropout, self.classifier = model.bert, model.dropout, model.classifier

    def forward(self, input_ids, attention_mask, token_type_ids):
        pooled = self.bert(input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids)[1]
        return self.classifier(self.dropout(pooled))


def network(name):
    torch.manual_seed(0)
    if name == "cnn":
        return Cnn().eval()
    config = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=24,
                        max_position_embeddings=20, num_labels=3, attn_implementation="eager")
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return model


ADAPTERS = {
    "bert": {
        "lora": LoraConfig(r=4, lora_alpha=6, target_modules=["query", "value"], modules_to_save=["classifier"]),
        "rslora": LoraConfig(r=4, lora_alpha=3, target_modules=["query", "intermediate.dense"], use_rslora=True,
                             rank_pattern={"intermediate.dense": 2}, alpha_pattern={"layer.1.intermediate.dense": 5}),
        "dora": LoraConfig(r=3, lora_alpha=6, target_modules=["key", "output.dense"], use_dora=True),
        "ia3": IA3Config(target_modules=["key", "value", "output.dense"], feedforward_modules=["output.dense"]),
    },
    "cnn": {
        "lora": LoraConfig(r=2, lora_alpha=6, target_modules=["conv1", "conv2"]),
        "dora": LoraConfig(r=2, lora_alpha=6, target_modules=["conv1", "conv2"], use_dora=True),
        "ia3": IA3Config(target_modules=["conv1", "conv2"], feedforward_modules=["conv2"]),
    },
}


def logits(model, inputs):
    with torch.no_grad():
        out = model(**inputs)
    return (out if isinstance(out, torch.Tensor) else out.logits).contiguous()


def make(folder):
    for name, adapters in ADAPTERS.items():
        model = network(name)
        if name == "bert":
            ids = torch.randint(1, 60, (3, 7))
            mask = torch.ones_like(ids)
            mask[1, 5:] = 0
            inputs = {"input_ids": ids, "attention_mask": mask, "token_type_ids": torch.zeros_like(ids)}
            axes = {key: {0: "batch", 1: "sequence"} for key in inputs}
        else:
            inputs = {"pixel_values": torch.randn(3, 3, 8, 8)}
            axes = {"pixel_values": {0: "batch"}}
        save_file(inputs, f"{folder}/{name}/inputs.safetensors")
        plain = Logits(model).eval() if name == "bert" else model
        torch.onnx.export(plain, tuple(inputs.values()), f"{folder}/{name}/model.onnx", input_names=list(inputs),
                          output_names=["logits"], dynamic_axes={**axes, "logits": {0: "batch"}}, opset_version=14, dynamo=False)
        for kind, config in adapters.items():
            adapted = get_peft_model(network(name), config).eval()
            torch.manual_seed(1)
            with torch.no_grad():
                for key, parameter in adapted.named_parameters():
                    if parameter.requires_grad:
                        parameter.add_(0.3 * torch.randn_like(parameter))
            adapted.save_pretrained(f"{folder}/{name}/{kind}")
            save_file({"logits": logits(adapted, inputs)}, f"{folder}/{name}/{kind}/outputs.safetensors")


def apply(folder, adapters):
    for adapter in adapters:
        name = adapter.split("/")[0]
        inputs = load_file(f"{folder}/{name}/inputs.safetensors")
        adapted = PeftModel.from_pretrained(network(name), f"{folder}/{adapter}").eval()
        save_file({"logits": logits(adapted, inputs)}, f"{folder}/{adapter}/outputs.safetensors")


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    apply(sys.argv[2], sys.argv[3:])
