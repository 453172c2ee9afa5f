//! The cloud that is AWS; the only user of its SDK.
