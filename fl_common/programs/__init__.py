"""Our programs and their processes: arguments, logs, what they need, and limits on them."""
