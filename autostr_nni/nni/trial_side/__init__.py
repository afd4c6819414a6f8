"""What a trial asks and tells NNI."""
