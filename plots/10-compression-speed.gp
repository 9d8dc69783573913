# Compression speed of one thread
# Draws 10-compression-speed.svg, 10-compression-speed-narrow.svg and 10-compression-speed.png from 10-compression-speed.csv in this directory:
#   gnuplot 10-compression-speed.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "10-compression-speed.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 1 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 4 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,542 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "10-compression-speed.svg"
  }
  if (narrow) {
    set terminal svg size 400,1080 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "10-compression-speed-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,542 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "10-compression-speed.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Compression speed of one thread" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; bands: bootstrap 95 %; dots: runs · standard profile · 20261126T000428Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Compression speed of one thread" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T000428Z-64a9023" font ",10" offset 0,-2.2
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.172 absolute
  set logscale x
  set xrange [0.714286:1400]
  set xtics ("1" 1, "10" 10, "100" 100, "1000" 1000) font ",14"
  if (narrow) { set xtics ("1" 1, "10" 10, "100" 100, "1000" 1000) font ",12" }
  set logscale y
  set ytics ("20" 20, "50" 50, "100" 100, "200" 200, "500" 500, "1000" 1000, "2000" 2000, "5000" 5000, "10k" 10000, "20k" 20000)
  if (narrow) { set ytics ("20" 20, "50" 50, "100" 100, "200" 200, "500" 500, "1000" 1000, "2000" 2000, "5000" 5000, "10k" 10000, "20k" 20000) }
  set yrange [11.36892:24713.203557]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.696296; set tmargin at screen 0.89537 } else { set lmargin at screen 0.092083; set rmargin at screen 0.373194; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "json" font ",14" offset 0,-0.4
  set xlabel "messages in a batch (1: each alone)" offset 0,screen (narrow ? 0 : 0)
  set ylabel "MB/s of input" offset 0,0
  if (narrow) { unset xlabel }
  plot data skip 1 using (pick("json", "gzip", "median", 4)):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("json", "snappy", "median", 4)):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("json", "lz4", "median", 4)):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("json", "zstd", "median", 4)):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("json", "gzip", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("json", "snappy", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("json", "lz4", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("json", "zstd", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("json", "gzip", "median", 4)):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("json", "snappy", "median", 4)):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("json", "lz4", "median", 4)):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("json", "zstd", "median", 4)):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("json", "gzip", "median", 4)):6:(hover("gzip")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("json", "snappy", "median", 4)):6:(hover("snappy")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("json", "lz4", "median", 4)):6:(hover("lz4")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("json", "zstd", "median", 4)):6:(hover("zstd")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.419444; set tmargin at screen 0.618519 } else { set lmargin at screen 0.396111; set rmargin at screen 0.677222; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "access-log" font ",14" offset 0,-0.4
  set xlabel "messages in a batch (1: each alone)" offset 0,screen (narrow ? 0 : 0)
  set ylabel "MB/s of input" offset 0,0
  if (narrow) { unset xlabel }
  unset label
  if (!narrow) { unset ylabel; set ytics ("" 20, "" 50, "" 100, "" 200, "" 500, "" 1000, "" 2000, "" 5000, "" 10000, "" 20000) }
  plot data skip 1 using (pick("access-log", "gzip", "median", 4)):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("access-log", "snappy", "median", 4)):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("access-log", "lz4", "median", 4)):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("access-log", "zstd", "median", 4)):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("access-log", "gzip", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("access-log", "snappy", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("access-log", "lz4", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("access-log", "zstd", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("access-log", "gzip", "median", 4)):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("access-log", "snappy", "median", 4)):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("access-log", "lz4", "median", 4)):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("access-log", "zstd", "median", 4)):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("access-log", "gzip", "median", 4)):6:(hover("gzip")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("access-log", "snappy", "median", 4)):6:(hover("snappy")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("access-log", "lz4", "median", 4)):6:(hover("lz4")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("access-log", "zstd", "median", 4)):6:(hover("zstd")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.142593; set tmargin at screen 0.341667 } else { set lmargin at screen 0.700139; set rmargin at screen 0.98125; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "random" font ",14" offset 0,-0.4
  set xlabel "messages in a batch (1: each alone)" offset 0,screen (narrow ? 0 : 0)
  set ylabel "MB/s of input" offset 0,0
  unset label
  if (!narrow) { unset ylabel; set ytics ("" 20, "" 50, "" 100, "" 200, "" 500, "" 1000, "" 2000, "" 5000, "" 10000, "" 20000) }
  plot data skip 1 using (pick("random", "gzip", "median", 4)):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("random", "snappy", "median", 4)):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("random", "lz4", "median", 4)):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("random", "zstd", "median", 4)):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("random", "gzip", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("random", "snappy", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("random", "lz4", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("random", "zstd", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("random", "gzip", "median", 4)):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("random", "snappy", "median", 4)):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("random", "lz4", "median", 4)):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("random", "zstd", "median", 4)):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("random", "gzip", "median", 4)):6:(hover("gzip")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("random", "snappy", "median", 4)):6:(hover("snappy")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("random", "lz4", "median", 4)):6:(hover("lz4")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("random", "zstd", "median", 4)):6:(hover("zstd")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.088889 : 0.114391)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 3 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 4 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" title "gzip", \
    keyentry with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" title "snappy", \
    keyentry with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" title "lz4", \
    keyentry with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" title "zstd"
  unset multiplot
  unset output
}
