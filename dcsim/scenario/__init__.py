"""What is asked: scenarios, the files and shipped parts they come from, and what is legal."""
