# Read from the device beside a live pair, with and without a lagging reader
# Draws 04-backfill-reads.svg, 04-backfill-reads-narrow.svg and 04-backfill-reads.png from 04-backfill-reads.csv in this directory:
#   gnuplot 04-backfill-reads.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "04-backfill-reads.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 0 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 28 > 16 ? 1000000 : 1
  crowded = narrow && 0
  if (output eq "svg") {
    set terminal svg size 960,504 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "04-backfill-reads.svg"
  }
  if (narrow) {
    set terminal svg size 400,466 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "04-backfill-reads-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,504 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "04-backfill-reads.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Read from the device beside a live pair, with and without a lagging reader" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261126T003720Z-3afb1ef" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Read from the device beside a live\npair, with and without a lagging\nreader" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T003720Z-3afb1ef" font ",10" offset 0,-4.4
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.688 absolute
  set xrange [-0.6:3.6]
  set xtics ("live pair alone" 0, "beside a lagging\nreader" 1, "bare file alone" 2, "bare file,\nanother read\nbeside it" 3) font ",12"
  if (narrow) { set xtics ("live pair\nalone" 0, "beside a\nlagging\nreader" 1, "bare file\nalone" 2, "bare\nfile,\nanother\nread\nbeside it" 3) font ",10" }
  set logscale y
  set ytics ("10k" 10000, "100k" 100000, "1M" 1000000, "10M" 10000000, "100M" 100000000, "1G" 1000000000)
  if (narrow) { set ytics ("10k" 10000, "100k" 100000, "1M" 1000000, "10M" 10000000, "100M" 100000000, "1G" 1000000000) }
  set yrange [2248.868694:2787577626.967941]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.27897; set tmargin at screen 0.740343 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.214286; set tmargin at screen 0.869048 }
  unset arrow
  unset title
  set xlabel "what runs" offset 0,screen (narrow ? -0.128755 : -0.071429)
  set ylabel "bytes" offset 0,0
  plot data skip 1 using (pick("", "alone", "median", 4)):6 with points pt 7 ps 1.2 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "lagging", "median", 4)):6 with points pt 5 ps 1.2 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "bare-alone", "median", 4)):6 with points pt 9 ps 1.2 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "bare-lagging", "median", 4)):6 with points pt 11 ps 1.2 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "alone", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "lagging", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "bare-alone", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "bare-lagging", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "alone", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "lagging", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "bare-alone", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "bare-lagging", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "alone", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "lagging", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "bare-alone", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "bare-lagging", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "alone", "median", 4)):6:(hover("live pair alone")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "lagging", "median", 4)):6:(hover("beside a lagging reader")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "bare-alone", "median", 4)):6:(hover("bare file alone")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "bare-lagging", "median", 4)):6:(hover("bare file, another read beside it")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  # The x axis names every series.
  unset multiplot
  unset output
}
