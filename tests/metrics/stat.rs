//! nginx-rtmp's statistics, strictly: the elements in the order in which ngx_rtmp_stat_module.c
//! writes them, with the numbers it writes.

/// An element with its children or its text.
#[derive(Debug, Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

/// What stands in an element, in order: `?` may be absent, `*` may be there often, `=` is a whole
/// number, `+` a text that is not empty.
const SHAPES: [(&str, &str); 10] = [
    (
        "rtmp",
        "nginx_version+ nginx_rtmp_version+ compiler+ built+ pid= uptime= naccepted= bw_in= \
         bytes_in= bw_out= bytes_out= server*",
    ),
    ("server", "application*"),
    ("application", "name+ live"),
    ("live", "stream* nclients="),
    (
        "stream",
        "name+ time= bw_in= bytes_in= bw_out= bytes_out= bw_audio= bw_video= client* meta? \
         nclients= publishing? active?",
    ),
    (
        "client",
        "id= address time= flashver? pageurl? swfurl? dropped= avsync= timestamp= publishing? \
         active?",
    ),
    ("meta", "video? audio?"),
    ("video", "width= height= frame_rate= codec+ profile? compat? level?"),
    ("audio", "codec+ profile? channels= sample_rate="),
    ("", "rtmp"),
];

/// Checks a document; how many clients its streams list.
pub fn check(xml: &str) -> Result<usize, String> {
    let body = xml.strip_prefix("<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n");
    let body = body.ok_or("the declaration")?;
    let sheet = "<?xml-stylesheet type=\"text/xsl\" href=\"/stat.xsl\" ?>\r\n";
    let root = read(body.strip_prefix(sheet).ok_or("the style sheet")?)?;
    shape(&root)?;
    Ok(count(&root, "client"))
}

fn count(element: &Element, name: &str) -> usize {
    usize::from(element.name == name)
        + element.children.iter().map(|child| count(child, name)).sum::<usize>()
}

fn shape(element: &Element) -> Result<(), String> {
    let Some((_, wanted)) = SHAPES.iter().find(|(name, _)| *name == element.name) else {
        return match element.children.is_empty() {
            true => Ok(()),
            false => Err(format!("{} holds elements", element.name)),
        };
    };
    let mut children = element.children.iter().peekable();
    for rule in wanted.split_whitespace() {
        let name = rule.trim_end_matches(['?', '*', '=', '+']);
        let mut found = 0;
        while let Some(child) = children.next_if(|child| child.name == name) {
            found += 1;
            shape(child)?;
            if rule.ends_with('=') && child.text.parse::<i64>().is_err() {
                return Err(format!("{name} is no whole number: {:?}", child.text));
            }
            if rule.ends_with('+') && child.text.is_empty() {
                return Err(format!("{name} is empty"));
            }
            if !rule.ends_with('*') {
                break;
            }
        }
        if found == 0 && !rule.ends_with(['?', '*']) {
            return Err(format!("{} has no {name} where it should stand", element.name));
        }
    }
    match children.next() {
        Some(child) => Err(format!("{} in {} is out of place", child.name, element.name)),
        None => Ok(()),
    }
}

/// Reads elements without attributes: nginx-rtmp writes no others.
fn read(body: &str) -> Result<Element, String> {
    let mut open = vec![Element::default()];
    for piece in body.split('<').skip(1) {
        let (tag, text) = piece.split_once('>').ok_or("a tag that does not end")?;
        let (closes, alone) = (tag.starts_with('/'), tag.ends_with('/'));
        let name = tag.trim_matches('/');
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
            return Err(format!("a tag {tag:?}"));
        }
        if closes {
            let element = open.pop().filter(|element| element.name == name);
            let element = element.ok_or(format!("{name} was not open"))?;
            open.last_mut().ok_or("too many ends")?.children.push(element);
        } else if alone {
            let element = Element { name: name.to_owned(), ..Element::default() };
            open.last_mut().ok_or("nothing is open")?.children.push(element);
        } else {
            let text = text.to_owned();
            open.push(Element { name: name.to_owned(), text, children: Vec::new() });
        }
        let known = ["amp", "lt", "gt", "quot", "#39"];
        for entity in text.split('&').skip(1) {
            if !known.contains(&entity.split(';').next().unwrap_or_default()) {
                return Err(format!("an entity in {text:?}"));
            }
        }
    }
    match open.pop().filter(|_| open.is_empty()) {
        Some(root) => Ok(root),
        None => Err("an element that does not end".to_owned()),
    }
}

#[test]
fn the_parser_is_strict() {
    let head = "<?xml version=\"1.0\" encoding=\"utf-8\" ?>\r\n\
        <?xml-stylesheet type=\"text/xsl\" href=\"/stat.xsl\" ?>\r\n";
    let good = format!(
        "{head}<rtmp><nginx_version>1</nginx_version><nginx_rtmp_version>1</nginx_rtmp_version>\
         <compiler>c</compiler><built>b</built><pid>1</pid><uptime>1</uptime>\
         <naccepted>1</naccepted><bw_in>0</bw_in><bytes_in>0</bytes_in><bw_out>0</bw_out>\
         <bytes_out>0</bytes_out><server></server></rtmp>"
    );
    assert_eq!(check(&good), Ok(0));
    for (from, to) in [
        ("<pid>1</pid>", ""),
        ("<pid>1", "<pid>1.5"),
        ("<built>b", "<built>"),
        ("<pid>1</pid><uptime>1</uptime>", "<uptime>1</uptime><pid>1</pid>"),
        ("</server>", ""),
        ("<server></server>", "<server><name>x</name></server>"),
        ("<compiler>c", "<compiler>&nbsp;"),
        ("?>\r\n<rtmp", "?>\n<rtmp"),
    ] {
        assert!(check(&good.replace(from, to)).is_err(), "{from} → {to}");
    }
}
