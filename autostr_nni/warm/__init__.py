"""A process that keeps what trials import warm: a trial's command asks it for a fork instead of importing."""
