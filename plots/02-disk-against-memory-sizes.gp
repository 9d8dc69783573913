# 4-byte values a second over the array's size
# Draws 02-disk-against-memory-sizes.svg, 02-disk-against-memory-sizes-narrow.svg and 02-disk-against-memory-sizes.png from 02-disk-against-memory-sizes.csv in this directory:
#   gnuplot 02-disk-against-memory-sizes.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "02-disk-against-memory-sizes.csv"
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
  dotting = narrow && 3 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,516 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "02-disk-against-memory-sizes.svg"
  }
  if (narrow) {
    set terminal svg size 400,473 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "02-disk-against-memory-sizes-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,516 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "02-disk-against-memory-sizes.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "4-byte values a second over the array's size" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; bands: bootstrap 95 %; dots: runs · standard profile · 20261125T233750Z-64a9023" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "4-byte values a second over the\narray's size" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261125T233750Z-64a9023" font ",10" offset 0,-3.3000000000000003
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
  set xrange [91.428571:5734.4]
  set xtics ("128" 128, "1024" 1024, "4096" 4096) font ",14"
  if (narrow) { set xtics ("128" 128, "1024" 1024, "4096" 4096) font ",12" }
  set logscale y
  set ytics ("2M" 2000000, "5M" 5000000, "10M" 10000000, "20M" 20000000, "50M" 50000000, "100M" 100000000, "200M" 200000000, "500M" 500000000, "1G" 1000000000, "2G" 2000000000, "5G" 5000000000, "10G" 10000000000)
  if (narrow) { set ytics ("2M" 2000000, "5M" 5000000, "10M" 10000000, "20M" 20000000, "50M" 50000000, "100M" 100000000, "200M" 200000000, "500M" 500000000, "1G" 1000000000, "2G" 2000000000, "5G" 5000000000, "10G" 10000000000) }
  set yrange [1580272.858459:10458347675.815619]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.325581; set tmargin at screen 0.780127 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.232558; set tmargin at screen 0.872093 }
  unset arrow
  unset title
  set xlabel "array, MiB" offset 0,screen (narrow ? 0 : 0)
  set ylabel "values a second" offset 0,0
  plot data skip 1 using (pick("", "memory-random", "median", 4) * 0.939523):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "median", 4) * 0.97942):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "memory-chained", "median", 4) * 1.021012):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "memory-sequential", "median", 4) * 1.06437):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("", "memory-random", "raw", 4) * 0.939523):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("", "memory-random-huge", "raw", 4) * 0.97942):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("", "memory-chained", "raw", 4) * 1.021012):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("", "memory-sequential", "raw", 4) * 1.06437):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("", "memory-random", "median", 4) * 0.939523):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "median", 4) * 0.97942):6 with linespoints lw 2.2 dt (8,4) pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "memory-chained", "median", 4) * 1.021012):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "memory-sequential", "median", 4) * 1.06437):6 with linespoints lw 2.2 dt (8,4) pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "memory-random", "median", 4) * 0.939523):6:(hover("memory at random")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "memory-random-huge", "median", 4) * 0.97942):6:(hover("memory at random, huge pages")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "memory-chained", "median", 4) * 1.021012):6:(hover("memory at random, one after another")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "memory-sequential", "median", 4) * 1.06437):6:(hover("memory in order")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.20296 : 0.120155)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 2 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 4 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" title "memory at random", \
    keyentry with linespoints lw 2.2 dt (8,4) pt 5 ps 0.75 lc rgb "#D55E00" title "memory at random, huge pages", \
    keyentry with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" title "memory at random, one after another", \
    keyentry with linespoints lw 2.2 dt (8,4) pt 11 ps 0.75 lc rgb "#CC79A7" title "memory in order"
  unset multiplot
  unset output
}
