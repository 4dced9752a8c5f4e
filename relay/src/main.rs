//! `weir-relay`: see `weir_relay::cmd`.

use std::process::ExitCode;

fn main() -> ExitCode {
    weir_relay::cmd::main()
}
