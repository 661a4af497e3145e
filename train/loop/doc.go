// Package loop is a run of training: it feeds a trainer with data, keeps a log, validates, and saves checkpoints from
// which the run goes on as if it had never ended.
//
// # The folder of a run
//
//	log.jsonl           a line for each step, and for each validation
//	loss.png            both as a chart
//	step-000100/        a checkpoint: a model in Hugging Face layout, or an adapter in PEFT's, and the run's memory beside it
//	  optimizer.safetensors   AdamW's moments, exp_avg.NAME and exp_avg_sq.NAME
//	  trainer.json            State
//	latest              a link to the last checkpoint
//	config.json, …      links to the files of the model in latest, so that the folder is a model (or an adapter) itself
//
// One run at a time may write to a folder: durable.Lock makes sure of that.
//
// A checkpoint is whole or not there (package durable). A run that is continued gives the same losses and weights, bit for
// bit, as one that was not interrupted, on any number of threads: a step depends on the weights, the moments, the settings
// and the place in the data alone. No random numbers are drawn but for the first weights and the order of the data, which
// follow from the seed.
package loop
