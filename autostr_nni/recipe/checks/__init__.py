"""What no section of a recipe can tell by itself: whether they agree, and whether this machine has it all."""
