"""What patches that overlap say together: their places on one canvas, and their labels."""
