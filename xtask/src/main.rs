//! The project's own commands. Purpose: one place for what a developer or a server types, so
//! that the README needs no list of tools. Non-goal: anything the program itself needs at run
//! time.

mod as_root;
mod bench;
mod card;
mod checks;
mod circles;
mod debian;
mod dist;
mod emulate;
mod flash;
mod fleet;
mod fuzz;
mod image;
mod layers;
mod messages;
mod mutants;
mod oci;
mod openapi;
mod parts;
mod processors;
mod setup;
mod sign;
mod size;
mod soak;
mod source;
mod step;
mod suites;
mod sysroot;
mod takeover;
mod text_files;
mod torture;
mod tree;
mod type_names;

use std::process::ExitCode;

use argh::FromArgs;

/// The project's own commands.
#[derive(FromArgs)]
struct Arguments {
    #[argh(subcommand)]
    command: Command,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Command {
    Setup(Setup),
    Ci(Ci),
    Test(checks::Test),
    Card(Card),
    OpenApi(OpenApi),
    Fuzz(fuzz::Fuzz),
    Messages(messages::Messages),
    Mutants(mutants::Mutants),
    Dist(Dist),
    Size(Size),
    Image(image::Image),
    Parts(parts::Parts),
    Rollout(fleet::rollout::Rollout),
    Fleet(fleet::inventory::Fleet),
    Sign(sign::Sign),
    Emulate(emulate::Emulate),
    Oci(oci::Oci),
    Flash(flash::Flash),
    Bench(bench::Bench),
    Soak(Soak),
}

/// install what the tests need, or say exactly what to install
#[derive(FromArgs)]
#[argh(subcommand, name = "setup")]
struct Setup {}

/// check the source without running it: format, lints, layers, licences
#[derive(FromArgs)]
#[argh(subcommand, name = "ci")]
struct Ci {}

/// make the standby card again
#[derive(FromArgs)]
#[argh(subcommand, name = "card")]
struct Card {}

/// write src/control/openapi.json again, from the types of the API
#[derive(FromArgs)]
#[argh(subcommand, name = "openapi")]
struct OpenApi {}

/// build the product, target/dist/streamcaster: static, stripped, reproducible
#[derive(FromArgs)]
#[argh(subcommand, name = "dist")]
struct Dist {}

/// restart feeds for a quarter of an hour and see that nothing grows: descriptors, threads, heap,
/// resident memory
#[derive(FromArgs)]
#[argh(subcommand, name = "soak")]
struct Soak {}

/// what the product weighs, by section and crate
#[derive(FromArgs)]
#[argh(subcommand, name = "size")]
struct Size {
    /// beside the committed figures, to see what a change costs
    #[argh(switch)]
    compare: bool,
    /// make these the committed figures
    #[argh(switch)]
    save: bool,
}

fn main() -> ExitCode {
    let arguments: Arguments = argh::from_env();
    let outcome = match arguments.command {
        Command::Setup(_) => setup::ensure(true),
        Command::Ci(_) => checks::source(),
        Command::Test(options) => checks::test(&options),
        Command::Card(_) => card::run(),
        Command::OpenApi(_) => openapi::renew(),
        Command::Fuzz(options) => fuzz::fuzz(&options),
        Command::Messages(options) => messages::run(&options),
        Command::Mutants(options) => mutants::run(&options),
        Command::Dist(_) => dist::run(),
        Command::Size(size) => size::run(size.compare, size.save),
        Command::Image(options) => image::run(&options),
        Command::Parts(options) => parts::run(&options),
        Command::Rollout(options) => fleet::rollout::run(&options),
        Command::Fleet(options) => fleet::inventory::run(&options),
        Command::Sign(options) => sign::run(&options),
        Command::Emulate(options) => emulate::run(&options),
        Command::Oci(options) => oci::run(&options),
        Command::Flash(options) => flash::run(&options),
        Command::Bench(options) => bench::bench(&options),
        Command::Soak(_) => soak::soak(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => {
            eprintln!("\nxtask: {sentence}");
            ExitCode::FAILURE
        }
    }
}
