"""One run of training: how a model is built, trained, scored and looked into."""
