//! From measured cells to a table. Purpose: medians over rounds, ratios beside absolutes.

use std::fmt::Write;

use super::servers::ServerKind;

/// What one server did for so many players in one round.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Counted from zero.
    pub round: usize,
    /// Who served.
    pub kind: ServerKind,
    /// How many asked.
    pub players: usize,
    /// How many were there at the end.
    pub served: usize,
    /// Added latency, median, milliseconds.
    pub p50_ms: f64,
    /// Added latency, 99th percentile, milliseconds.
    pub p99_ms: f64,
    /// Of one processor.
    pub cpu_percent: f64,
    /// What the sender and the players took of theirs: near 100, it is they who are measured.
    pub load_percent: f64,
    /// Processor seconds for each 10^9 bytes received by players.
    pub cpu_s_per_gb: f64,
    /// 10^6 bytes; the floor, which keeps the whole clip, has none worth telling.
    pub pss_mb: Option<f64>,
    /// Median, milliseconds; `None`: no player got one, or the server does not do that.
    pub first_picture_ms: Option<f64>,
    /// Frames players did not get.
    pub missed: u64,
    /// Timestamps that did not grow.
    pub backwards: u64,
}

/// The value below which this share of all lies, the nearest one there is; zero of none.
pub fn percentile(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let rank = (values.len() as f64 * share).ceil() as usize;
    values.get(rank.saturating_sub(1)).copied().unwrap_or(0.0)
}

/// The median as a table shows it; of nothing, a dash.
pub fn median(values: impl Iterator<Item = f64>, digits: usize, unit: &str) -> String {
    let mut values: Vec<f64> = values.collect();
    if values.is_empty() {
        return "–".to_owned();
    }
    format!("{:.digits$}{unit}", percentile(&mut values, 0.5))
}

/// The table, in Markdown.
pub fn render(cells: &[Cell]) -> String {
    let mut text = String::from(
        "| players | | added latency p50 / p99 | CPU | CPU per GB | × floor | PSS | \
         first picture | served | frames missed | times not growing |\n\
         |--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    let mut players: Vec<usize> = cells.iter().map(|cell| cell.players).collect();
    players.sort_unstable();
    players.dedup();
    for players in players {
        for kind in ServerKind::ALL {
            row(&mut text, cells, players, kind);
        }
    }
    text
}

fn row(text: &mut String, all: &[Cell], players: usize, kind: ServerKind) {
    let of = |kind: ServerKind| {
        all.iter().filter(move |cell| cell.kind == kind && cell.players == players)
    };
    let cells: Vec<&Cell> = of(kind).collect();
    if cells.is_empty() {
        return;
    }
    let shown = |value: &dyn Fn(&Cell) -> Option<f64>, digits: usize, unit: &str| {
        median(cells.iter().filter_map(|cell| value(cell)), digits, unit)
    };
    // Rounds are compared with themselves: what else the machine did, it did to both.
    let over_floor = |cell: &Cell| {
        let floor = of(ServerKind::Floor).find(|floor| floor.round == cell.round)?;
        Some(cell.cpu_s_per_gb / floor.cpu_s_per_gb)
    };
    let served = cells.iter().map(|cell| cell.served).min().unwrap_or(0);
    let missed: u64 = cells.iter().map(|cell| cell.missed).sum();
    let backwards: u64 = cells.iter().map(|cell| cell.backwards).sum();
    // Writing to a string cannot fail.
    let _ = writeln!(
        text,
        "| {players} | {} | {} / {} | {} | {} | {} | {} | {} | {served} | {missed} | {backwards} |",
        kind.name(),
        shown(&|cell| Some(cell.p50_ms), 2, ""),
        shown(&|cell| Some(cell.p99_ms), 2, " ms"),
        shown(&|cell| Some(cell.cpu_percent), 2, " %"),
        shown(&|cell| Some(cell.cpu_s_per_gb), 2, " s"),
        shown(&over_floor, 2, ""),
        shown(&|cell| cell.pss_mb, 1, " MB"),
        shown(&|cell| cell.first_picture_ms, 1, " ms"),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(round: usize, kind: ServerKind, cpu_s_per_gb: f64) -> Cell {
        Cell {
            round,
            kind,
            players: 50,
            served: 50 - round,
            p50_ms: 1.0,
            p99_ms: 2.0,
            cpu_percent: 3.0,
            load_percent: 4.0,
            cpu_s_per_gb,
            pss_mb: (kind == ServerKind::Ours).then_some(9.5),
            first_picture_ms: None,
            missed: 1,
            backwards: 0,
        }
    }

    #[test]
    fn percentiles_are_values_there_are() {
        let mut values: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        assert_eq!(percentile(&mut values, 0.5), 50.0);
        assert_eq!(percentile(&mut values, 0.99), 99.0);
        assert_eq!(percentile(&mut values, 1.0), 100.0);
        assert_eq!(percentile(&mut [4.0], 0.5), 4.0);
        assert_eq!(percentile(&mut [], 0.5), 0.0);
    }

    #[test]
    fn the_table_tells_medians_and_the_worst_of_what_was_lost() {
        let cells = [
            cell(0, ServerKind::Ours, 2.0),
            cell(0, ServerKind::Floor, 1.0),
            cell(1, ServerKind::Ours, 9.0),
            cell(1, ServerKind::Floor, 3.0),
            cell(2, ServerKind::Ours, 4.0),
            cell(2, ServerKind::Floor, 1.0),
        ];
        let table = render(&cells);
        let rows: Vec<&str> = table.lines().skip(2).collect();
        assert_eq!(
            rows,
            [
                "| 50 | StreamCaster | 1.00 / 2.00 ms | 3.00 % | 4.00 s | 3.00 | 9.5 MB | – | \
                 48 | 3 | 0 |",
                "| 50 | the floor | 1.00 / 2.00 ms | 3.00 % | 1.00 s | 1.00 | – | – | 48 | 3 | 0 |"
            ]
        );
    }
}
