"""What is trained, one file a task: network, targets, loss and figures of merit."""
