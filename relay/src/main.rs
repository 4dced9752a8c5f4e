//! weir-relay
fn main(){}
