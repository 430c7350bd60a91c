"""What `vllm serve` of the importable vLLM accepts, as one JSON object on stdout.

    PYTHONPATH=.../engines/probes PYTHON -m vllm_probe > FOUND.json

Runs under an interpreter that has vLLM and what vLLM imports, never under Stowplan's own. It asks the
command line for its parser and walks it; then the registries of names that the parser does not check; then
what each quantization method and attention backend says of the cards it runs on. No model is loaded and no
GPU is needed. Seen to work with vLLM 0.11.0 to 0.33.0.

Standard library only, and on its own, since that interpreter has no Stowplan. What one version lacks is
left out, and named under `unread` with its reason.
"""
