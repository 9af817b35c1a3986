"""Fine-tuning: loss, optimizer, step, checkpoint, loop."""
