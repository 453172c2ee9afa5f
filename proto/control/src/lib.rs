//! What bastionctl and bastiond say to each other.
