//! Switches from one file to another. Purpose: from the first byte of the command to the last
//! byte of the new file's first frame at a player, again and again. Bound: two files, one player.

use std::fmt::Write;
use std::time::Duration;

use super::crowd::Crowd;
use super::ground::NO_FRAME;
use super::http;
use super::servers::Server;
use super::table::percentile;

/// How often.
pub const SWITCHES: u32 = 200;
/// The number of the second file's first frame; the first one's is 0.
pub const SECOND: u32 = 1 << 16;
/// Longer than a file may take to become ready.
const PATIENCE: Duration = Duration::from_secs(5);
/// The time on air of each; it is no multiple of a frame's, so that a switch comes anywhere in it.
const ON_AIR_MS: u64 = 200;
const MORE_MS_MAX: u64 = 100;
/// Steps through that time.
const STEP_MS: u64 = 37;

/// What was seen.
pub struct SwitchesSeen {
    /// Each switch, milliseconds.
    ms: Vec<f64>,
    /// Timestamps that did not grow.
    backwards: u64,
    /// Players that were there to the end.
    players: usize,
}

/// Switches between these files, from one to the other and back.
pub fn measure(
    server: &Server,
    mut crowd: Crowd,
    names: [&str; 2],
) -> Result<SwitchesSeen, String> {
    let mut ms = Vec::new();
    let firsts = [0, SECOND];
    // The first one is from the card.
    let rounds = names.iter().zip(firsts).cycle().zip(0..=SWITCHES);
    for ((name, first), number) in rounds {
        let asked = play(server, name, 0)?;
        let at = asked.at;
        let arrived = crowd.wait_for(first..first + 1, PATIENCE)?;
        asked.answer()?;
        let took = arrived.ok_or(NO_FRAME)?.saturating_duration_since(at);
        if number > 0 {
            ms.push(took.as_secs_f64() * 1e3);
        }
        let more = u64::from(number) * STEP_MS % MORE_MS_MAX;
        crowd.run_for(Duration::from_millis(ON_AIR_MS + more))?;
    }
    let seen = crowd.close_window();
    Ok(SwitchesSeen { ms, backwards: seen.backwards, players: seen.players })
}

impl SwitchesSeen {
    /// The table, in Markdown.
    pub fn render(mut self) -> String {
        let mut text = String::from(
            "| switches between files | p50 | p99 | longest | players left | times not growing |\n\
             |--:|--:|--:|--:|--:|--:|\n",
        );
        let mut at = |share| percentile(&mut self.ms, share);
        let (p50, p99, longest) = (at(0.5), at(0.99), at(1.0));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {p50:.1} ms | {p99:.1} ms | {longest:.1} ms | {} | {} |",
            self.ms.len(),
            self.players,
            self.backwards,
        );
        text
    }
}

/// Has this program play a file.
pub fn play(server: &Server, name: &str, from_s: u32) -> Result<http::Asked, String> {
    let command = format!("{{\"video\": \"{name}\", \"start_s\": {from_s}}}");
    http::post(server.http, "/api/switch", &command, &server.token()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_tells_the_usual_and_the_worst() {
        let ms = (1..=200).map(f64::from).collect();
        let table = SwitchesSeen { ms, backwards: 3, players: 1 }.render();
        let row = table.lines().nth(2).unwrap();
        assert_eq!(row, "| 200 | 100.0 ms | 198.0 ms | 200.0 ms | 1 | 3 |");
    }
}
