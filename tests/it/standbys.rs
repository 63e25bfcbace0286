//! Standbys of PostgreSQL: what they may answer, and that they do.
