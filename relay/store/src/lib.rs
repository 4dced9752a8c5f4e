//! weir-store: the relay's durable state. The only crate that imports sqlx.
