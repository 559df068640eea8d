"""What a Trainer needs beside the method: devices, the data-parallel strategy, the generator average, resuming."""
