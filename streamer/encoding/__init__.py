"""The inference worker's engine: texts in, vectors and sentiment out.

Start at `service.EncodingService`. What it is made of, in the order a text meets it:
`clean` (what the model gets to see), `tokenizer`, `cache`, `batcher` (which texts share a
forward pass), `model` (one encoder with its heads), `backends` (who multiplies the matrices).
`weights` finds an encoder by name and `encoder` opens it.
"""
