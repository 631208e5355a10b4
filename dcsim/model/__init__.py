"""What is simulated: guests, hosts, network, storage and migrations, over plain mathematics."""
