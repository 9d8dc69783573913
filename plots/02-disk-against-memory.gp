# 4-byte values a second: a cold disk in order, memory at random (1 GiB)
# Draws 02-disk-against-memory.svg, 02-disk-against-memory-narrow.svg and 02-disk-against-memory.png from 02-disk-against-memory.csv in this directory:
#   gnuplot 02-disk-against-memory.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "02-disk-against-memory.csv"
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
  dotting = narrow && 42 > 16 ? 1000000 : 1
  crowded = narrow && 0
  if (output eq "svg") {
    set terminal svg size 960,504 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "02-disk-against-memory.svg"
  }
  if (narrow) {
    set terminal svg size 400,464 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "02-disk-against-memory-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,504 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "02-disk-against-memory.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "4-byte values a second: a cold disk in order, memory at random (1 GiB)" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; whiskers: bootstrap 95 %; dots: runs · standard profile · 20261125T233750Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "4-byte values a second: a cold disk in\norder, memory at random (1 GiB)" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261125T233750Z-64a9023" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.688 absolute
  set xrange [-0.6:5.6]
  set xtics ("disk in order,\ncold" 0, "disk in order,\nO_DIRECT, 8\nrequests" 1, "memory at random" 2, "memory at\nrandom, huge\npages" 3, "memory at\nrandom, one\nafter another" 4, "memory in order" 5) font ",12"
  if (narrow) { set xtics ("disk in\norder,\ncold" 0, "disk in\norder,\nO_DIRECT,\n8\nrequests" 1, "memory\nat\nrandom" 2, "memory\nat\nrandom,\nhuge\npages" 3, "memory\nat\nrandom,\none\nafter\nanother" 4, "memory\nin order" 5) font ",10" }
  set logscale y
  set ytics ("5M" 5000000, "10M" 10000000, "20M" 20000000, "50M" 50000000, "100M" 100000000, "200M" 200000000, "500M" 500000000, "1G" 1000000000, "2G" 2000000000, "5G" 5000000000, "10G" 10000000000)
  if (narrow) { set ytics ("5M" 5000000, "10M" 10000000, "20M" 20000000, "50M" 50000000, "100M" 100000000, "200M" 200000000, "500M" 500000000, "1G" 1000000000, "2G" 2000000000, "5G" 5000000000, "10G" 10000000000) }
  set yrange [2642686.369756:16725289477.987816]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.3125; set tmargin at screen 0.775862 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.214286; set tmargin at screen 0.869048 }
  unset arrow
  unset title
  set xlabel "what is read" offset 0,screen (narrow ? -0.161638 : -0.071429)
  set ylabel "values a second" offset 0,0
  plot data skip 1 using (pick("", "disk-sequential", "median", 4)):6 with points pt 7 ps 1.2 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "disk-direct", "median", 4)):6 with points pt 5 ps 1.2 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "memory-random", "median", 4)):6 with points pt 9 ps 1.2 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "median", 4)):6 with points pt 11 ps 1.2 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "memory-chained", "median", 4)):6 with points pt 13 ps 1.2 lc rgb "#E69F00" notitle, \
    data skip 1 using (pick("", "memory-sequential", "median", 4)):6 with points pt 15 ps 1.2 lc rgb "#56B4E9" notitle, \
    data skip 1 using (pick("", "disk-sequential", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "disk-direct", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "memory-random", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "memory-chained", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "memory-sequential", "raw", 4)):6 with points pt 7 ps 0.35 lc rgb "#50222222" notitle, \
    data skip 1 using (pick("", "disk-sequential", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "disk-direct", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-random", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-chained", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-sequential", "median", 4)):7:(0):(column(8) - column(7)) with vectors nohead lw 1.6 lc rgb "#222222" notitle, \
    data skip 1 using (pick("", "disk-sequential", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "disk-direct", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-random", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-chained", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "memory-sequential", "median", 4)):8:(crowded ? "" : over(column(6))) with labels center offset 0,0.7 font ",10" tc rgb "#222222" notitle, \
    data skip 1 using (pick("", "disk-sequential", "median", 4)):6:(hover("disk in order, cold")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "disk-direct", "median", 4)):6:(hover("disk in order, O_DIRECT, 8 requests")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "memory-random", "median", 4)):6:(hover("memory at random")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "median", 4)):6:(hover("memory at random, huge pages")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle, \
    data skip 1 using (pick("", "memory-chained", "median", 4)):6:(hover("memory at random, one after another")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feE69F00" notitle, \
    data skip 1 using (pick("", "memory-sequential", "median", 4)):6:(hover("memory in order")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe56B4E9" notitle
  # The x axis names every series.
  unset multiplot
  unset output
}
