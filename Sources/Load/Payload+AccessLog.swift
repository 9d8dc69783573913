import Base

/// Makes lines of a web server's access log in combined format, each after a request id (the stamp):
/// `<id> 203.0.113.7 - - [22/Nov/2026:16:05:01 +0000] "GET /p HTTP/1.1" 200 5123 "<referrer>" "<user agent>"`.
///
/// Records too small for a whole line get its beginning; larger ones continue with timings as `key=value`, as reverse
/// proxies write them.
struct AccessLog {
  private var second = 0
  private var visitors: [Visitor] = []

  /// Models returning visitors: a few hundred addresses with one user agent each make most of the requests.
  private struct Visitor {
    var address: String
    var agent: String
  }

  mutating func write(to out: UnsafeMutableRawBufferPointer, _ random: inout SplitMix) {
    if random.below(50) == 0 { second += 1 }
    let visitor = visitor(&random)
    var line = [UInt8](repeating: UInt8(ascii: "-"), count: StampField.size)
    line.append(contentsOf: request(of: visitor, &random).utf8)
    while line.count < out.count {
      line.append(contentsOf: " \(random.pick(Self.timings))=0.\(random.below(1000))".utf8)
    }
    line.withUnsafeBytes { out.copyMemory(from: UnsafeRawBufferPointer(rebasing: $0.prefix(out.count))) }
  }

  private mutating func visitor(_ random: inout SplitMix) -> Visitor {
    if visitors.count < 300 {
      let address =
        "\(random.below(223) + 1).\(random.below(256)).\(random.below(256)).\(random.below(254) + 1)"
      visitors.append(Visitor(address: address, agent: random.pick(Vocabulary.userAgents)))
    }
    return random.pick(visitors)
  }

  private func request(of visitor: Visitor, _ random: inout SplitMix) -> String {
    let clock = "\(two(16 + second / 3600 % 8)):\(two(second / 60 % 60)):\(two(second % 60))"
    let status = random.pick(Self.statuses)
    let path = random.pick(Vocabulary.paths) + (random.below(3) == 0 ? "?page=\(random.below(40))" : "")
    let referrer = random.below(3) == 0 ? "-" : random.pick(Vocabulary.referrers)
    return " \(visitor.address) - - [22/Nov/2026:\(clock) +0000] \"\(random.pick(Self.methods)) \(path) HTTP/1.1\""
      + " \(status) \(random.below(60_000)) \"\(referrer)\" \"\(visitor.agent)\""
  }

  private func two(_ value: Int) -> String { value < 10 ? "0\(value)" : String(value) }

  private static let methods = ["GET", "GET", "GET", "GET", "GET", "GET", "POST", "HEAD"]
  private static let statuses = [200, 200, 200, 200, 200, 200, 304, 304, 301, 404, 500]
  private static let timings = ["rt", "uct", "uht", "urt", "ssl"]
}

/// Holds the words that both text corpora draw from.
enum Vocabulary {
  static let userAgents = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36 Edg/130.0.0.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:132.0) Gecko/20100101 Firefox/132.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Safari/605.1.15",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36",
    "Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_6_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/131.0.6778.73 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (iPad; CPU OS 16_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.6 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/26.0 Chrome/122.0.0.0 Mobile Safari/537.36",
    "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
    "Mozilla/5.0 (compatible; bingbot/2.0; +http://www.bing.com/bingbot.htm)",
    "curl/8.5.0",
    "python-requests/2.32.3",
  ]

  static let paths = [
    "/", "/search", "/cart", "/checkout", "/account/orders", "/account/settings", "/products/shoes/18322",
    "/products/shoes/20114", "/products/jackets/7731", "/products/bags/11902", "/categories/new-arrivals",
    "/categories/sale", "/blog/2026/10/autumn-lookbook", "/help/returns", "/api/v2/recommendations",
    "/api/v2/inventory",
    "/static/js/app.4f9c2d.js", "/static/css/main.a81b07.css", "/static/img/hero-1280.webp", "/favicon.ico",
  ]

  static let referrers = [
    "https://www.google.com/", "https://www.bing.com/search?q=running+shoes", "https://duckduckgo.com/",
    "https://shop.example.com/", "https://shop.example.com/categories/sale", "https://shop.example.com/search?q=jacket",
    "https://news.example.org/style/autumn", "https://m.facebook.com/", "https://t.co/Xy12AbCdEf",
  ]

  static let words = [
    "order", "shipped", "the", "customer", "asked", "about", "delivery", "and", "returned", "with", "a", "coupon",
    "from",
    "newsletter", "checkout", "payment", "accepted", "retry", "after", "timeout", "item", "size", "blue", "large",
    "stock",
  ]
}
