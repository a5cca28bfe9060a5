//! Lists the scenarios: what each proves, which driver runs it, and why another does not.

use std::process::ExitCode;

fn main() -> ExitCode {
    match uartbridge_tests::Library::load() {
        Ok(library) => {
            print!("{}", library.table());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
