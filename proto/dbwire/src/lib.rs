//! Enough PostgreSQL and MySQL to know a real visitor.
