//! `cargo xtask lightsail plan`: from an empty AWS account to the appliance on air, and back, as
//! commands to copy. Purpose: exactly what to type for one's own region, name and address, each
//! command with its reason. Non-goals: running any of it, asking AWS anything. Bound: one instance.

mod plan;
mod values;
mod wanted;

use argh::FromArgs;

use values::{Bundle, Network, Place};
use wanted::Wanted;

/// the appliance on AWS Lightsail
#[derive(FromArgs)]
#[argh(subcommand, name = "lightsail")]
pub struct Lightsail {
    #[argh(subcommand)]
    command: Verb,
}

#[derive(FromArgs)]
#[argh(subcommand)]
enum Verb {
    Plan(LightsailPlan),
}

/// print the AWS CLI commands, in order, each with its reason
#[derive(FromArgs)]
#[argh(subcommand, name = "plan")]
pub struct LightsailPlan {
    /// the region; eu-central-1 unless said otherwise
    #[argh(option, default = "\"eu-central-1\".to_owned()")]
    region: String,
    /// the zone's letter in it; a unless said otherwise
    #[argh(option, default = "'a'")]
    zone: char,
    /// what the instance is called; streamcaster unless said otherwise
    #[argh(option, default = "\"streamcaster\".to_owned()")]
    name: String,
    /// your own IPv4 address, or a network: who may open the page
    #[argh(option)]
    admin: String,
    /// the plan's bundle; micro_3_0 (1 GB) unless said otherwise
    #[argh(option, default = "\"micro_3_0\".to_owned()")]
    bundle: String,
    /// let MPEG-TS in over UDP from this address or network
    #[argh(option)]
    udp: Option<String>,
    /// open 8081 (/stat, /metrics, /health) to --admin's address
    #[argh(switch)]
    stat: bool,
}

/// The command as it is typed.
pub fn run(options: &Lightsail) -> Result<(), String> {
    let Verb::Plan(options) = &options.command;
    print!("{}", plan::text(&wanted(options)?));
    Ok(())
}

fn wanted(options: &LightsailPlan) -> Result<Wanted, String> {
    let udp = options.udp.as_deref().map(|text| Network::parse("--udp", text)).transpose()?;
    Ok(Wanted {
        place: Place::parse(&options.region, options.zone)?,
        name: values::name(&options.name)?,
        admin: Network::parse("--admin", &options.admin)?,
        bundle: Bundle::parse(&options.bundle)?,
        udp,
        stat: options.stat,
    })
}
