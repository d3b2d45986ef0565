"""What patches that overlap say together: what their labels rule out, and their picture."""
