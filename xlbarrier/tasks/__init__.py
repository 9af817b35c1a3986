"""What is asked: questions, prompts, and the recording of answers."""
